"""What a battery of checks found, in words."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ganloss._importing import told

Verdict = Literal["ok", "failed", "skipped"]
S = TypeVar("S")

#: A property of a subject: returns when it holds. Its docstring is the sentence in the report.
Property = Callable[[S], None]


class Wrong(Exception):
    """A property does not hold; the message says what was found."""


class Unusable(Wrong):
    """Nothing else can be tried: what is checked gives no number for ordinary inputs."""


class NotApplicable(Exception):
    """A property makes no sense here; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Args:
        check: what was checked, a sentence.
        verdict: whether it holds.
        detail: what was found, or why it was skipped.

    >>> Finding("The inputs are left as they were", "failed", "x was written to").verdict
    'failed'
    """

    check: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What was checked, and what was found.

    Args:
        subject: name of what was checked.
        findings: one for each check.

    >>> report = Report("my loss", [Finding("It is finite", "ok"), Finding("It falls", "failed")])
    >>> report.ok, report.failed
    (False, [Finding(check='It falls', verdict='failed', detail='')])
    >>> print(report)
    my loss
      ok      It is finite
      FAILED  It falls
    1 check holds, 1 failed, 0 not applicable
    """

    subject: str
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> list[Finding]:
        """The checks that failed."""
        return [finding for finding in self.findings if finding.verdict == "failed"]

    def __str__(self) -> str:
        words = {"ok": "ok", "failed": "FAILED", "skipped": "-"}
        lines = [f"{self.subject}"]
        for finding in self.findings:
            detail = f": {finding.detail}" if finding.detail else ""
            lines.append(f"  {words[finding.verdict]:<7} {finding.check}{detail}")
        counts = {v: sum(f.verdict == v for f in self.findings) for v in words}
        held = "check holds" if counts["ok"] == 1 else "checks hold"
        lines.append(
            f"{counts['ok']} {held}, {counts['failed']} failed, {counts['skipped']} not applicable"
        )
        return "\n".join(lines)


def examine(subject: S, properties: Iterable[Property[S]], where: str = "") -> list[Finding]:
    """Try each property on a subject.

    Args:
        subject: what is checked.
        properties: functions of it; the first paragraph of a docstring is its sentence.
        where: added to each sentence, e.g. the player.

    Returns:
        One finding for each, up to the first that leaves nothing else to try.
    """
    findings: list[Finding] = []
    for prop in properties:
        try:
            findings.append(_examine(subject, prop, where))
        except Unusable as reason:
            return [*findings, Finding(_sentence(prop, where), "failed", str(reason))]
    return findings


def _sentence(prop: Property[S], where: str) -> str:
    first = (prop.__doc__ or prop.__name__).partition("\n\n")[0]
    sentence = " ".join(first.split()).rstrip(".")
    return f"{sentence} ({where})" if where else sentence


def _examine(subject: S, prop: Property[S], where: str) -> Finding:
    sentence = _sentence(prop, where)
    try:
        prop(subject)
    except Unusable:
        raise
    except Wrong as wrong:
        return Finding(sentence, "failed", str(wrong))
    except NotApplicable as reason:
        return Finding(sentence, "skipped", str(reason))
    except Exception as error:  # whatever a stranger's loss raises is a finding, not our failure
        return Finding(sentence, "failed", told(error))
    return Finding(sentence, "ok")
