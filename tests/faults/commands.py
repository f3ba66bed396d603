"""Commands in children of a warm process, with the faults that strike them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM = Path(__file__).with_name("warm.py")
#: Exit codes of SPEC 6 that a mistake of the user may have; 1 is ours, 130 is Ctrl-C.
USERS_CODES = (0, 2, 3, 4, 5, 6, 7)


#: libtiff, in C, writes lines of its own about damaged files; Pillow cannot keep it from that.
LIBTIFF = re.compile(r"(_?TIFF|JPEG|LZW|ZIP|Fax|PackBits|Old|LogLuv|SGILog|tempfile\.tif)[\w ]*:")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        code: exit code, or the negative number of the signal that killed it.
        out, err: what it said.
        hung: whether it was still running at the time limit.
        changes: how often it opened, renamed or removed something on disk; 0 if it was killed.
        outside: paths it changed outside its folders.
        started: how it started other processes.
        seconds: how long it took.
    """

    code: int
    out: str
    err: str
    hung: bool
    seconds: float
    changes: int = 0
    outside: Sequence[str] = ()
    started: Sequence[str] = ()

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code < 0

    def _trace(self) -> str:
        """The last places of a traceback, and what it ended with."""
        trace = self.err.partition("This is a fault")[0].strip().splitlines()
        places = [line.strip() for line in trace if line.strip().startswith("File ")]
        return " ".join([*places[-3:], trace[-1]])

    def fault(self, codes: Sequence[int] = USERS_CODES) -> str:
        """What is wrong with how it ended, where a user's mistake may be the cause; or nothing."""
        lines = [line for line in self.err.strip().splitlines() if not LIBTIFF.match(line)]
        if self.hung:
            return f"hung: {self.err[-2000:]}"
        if "Traceback" in self.err:
            return f"exit code {self.code}, a traceback: {self._trace()}"
        if self.code not in codes:
            return f"exit code {self.code}: {self.err[-400:]}"
        if self.code and (len(lines) != 1 or not lines[0].startswith("ganloss: ")):
            return f"exit code {self.code} without one sentence: {self.err[-400:]!r}"
        if not self.code and lines:
            return f"exit code 0 and words on standard error: {self.err[-400:]!r}"
        return f"wrote to {', '.join(self.outside)}" if self.outside else ""


class Commands:
    """The warm process; ``source`` is a copy of the package with a fault in it."""

    def __init__(self, scratch: Path, source: Path | None = None) -> None:
        self._scratch = scratch
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        with (scratch / "warm.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", str(WARM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        #: Where the package lies that is run.
        self.package = Path(self._answer()["ready"])

    def __call__(
        self,
        *words: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        allowed: Sequence[Path] = (),
        **how: Any,
    ) -> Ended:
        """Run a command below ``cwd``, with decoded images in ``cwd/cache``.

        Args:
            words: what is typed after ``ganloss``.
            cwd: where.
            env: further variables.
            allowed: folders it may write to besides ``cwd``.
            how: ``after=`` seconds until SIGKILL; ``event=`` SIGKILL before the n-th change on
                disk; ``bytes=`` largest size of a file, ``deadly=True`` to be killed by it;
                ``powerless=True`` to keep to permissions as root; ``before=`` Python to run first;
                ``limit=`` seconds it may take.
        """
        out, err = self._scratch / "out", self._scratch / "err"
        temporary = self._scratch / "temporary"
        temporary.mkdir(exist_ok=True)
        request = {
            "words": words,
            "cwd": str(cwd),
            "env": {"GANLOSS_CACHE": str(cwd / "cache"), **(env or {})},
            "out": str(out),
            "err": str(err),
            "temporary": str(temporary),
            "allowed": [os.path.realpath(path) for path in (cwd, temporary, *allowed)],
            **how,
        }
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps(request) + "\n")
        pipe.flush()
        texts = {"out": out, "err": err}
        answer = self._answer()
        said = {k: p.read_text("utf-8", "replace") for k, p in texts.items() if p.exists()}
        return Ended(**{"out": "", "err": ""} | said | answer)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError((self._scratch / "warm.log").read_text())
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()
