"""When to stop a run that no longer gets better: a function of the rows it wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganloss.runs.wording import number


def scored(rows: Sequence[Mapping[str, Any]], key: str = "fd") -> list[Mapping[str, Any]]:
    """Rows with a score.

    >>> scored([{"step": 0, "fd": 2.0}, {"step": 1}, {"step": 2, "fd": "none"}])
    [{'step': 0, 'fd': 2.0}]
    """
    return [row for row in rows if isinstance(row.get(key), (int, float))]


def early_stop(rows: Sequence[Mapping[str, Any]], step: int, patience: int, key: str = "fd") -> str:
    """Say why a run stops after ``step``, or nothing while it may go on.

    Only scores up to that step count, so that a resumed run decides as the uninterrupted one did.

    Args:
        rows: rows of ``metrics.jsonl``; those without a score are passed over.
        step: step the run is at.
        patience: scores in a row that may fail to beat the best one.
        key: where the scores stand.

    >>> rows = [{"step": s, "fd": fd} for s, fd in ((0, 9.0), (10, 4.0), (20, 5.0), (30, 4.0))]
    >>> early_stop(rows, 20, 2)
    ''
    >>> early_stop(rows, 30, 2)[:60]
    'stopped early at step 30: no score of the last 2 was better '
    """
    best, since = None, 0
    for row in scored(rows, key):
        if row["step"] > step:
            continue
        if best is None or row[key] < best[key]:
            best, since = row, 0
        else:
            since += 1
    if best is None or since < patience:
        return ""
    last = f"no score of the last {since} was" if since > 1 else "the last score was not"
    return (
        f"stopped early at step {step:,}: {last} better than "
        f"{number(best[key])}, which step {best['step']:,} reached; checkpoints/best.pt holds it"
    )


def is_new_best(rows: Sequence[Mapping[str, Any]], step: int, key: str = "fd") -> bool:
    """Whether ``step`` was scored, and its score beats all before it.

    >>> rows = [{"step": 0, "fd": 2.0}, {"step": 1}, {"step": 2, "fd": 1.0}]
    >>> is_new_best(rows, 2), is_new_best(rows, 3), is_new_best([*rows, {"step": 3, "fd": 1.0}], 3)
    (True, False, False)
    """
    found = scored(rows, key)
    if not found or found[-1]["step"] != step:
        return False
    return all(found[-1][key] < earlier[key] for earlier in found[:-1])
