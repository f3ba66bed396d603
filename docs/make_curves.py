"""Train the runs whose curves the page on curves reads: ``python docs/make_curves.py [NAME ...]``.

About a minute each; rows go to ``docs/explanation/curves.json``, which is committed.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from ganloss.cli import main as ganloss

KEPT = Path(__file__).parent / "explanation" / "curves.json"
_DIGITS = "train generate --data demo:digits --seed 0"
#: Command of each run.
RUNS = {
    "ns": f"{_DIGITS} --loss ns --steps 3000",
    "hinge": f"{_DIGITS} --loss hinge --steps 3000",
    "wgan-gp": f"{_DIGITS} --loss wgan-gp --lr 2e-3 --betas 0.5,0.9 --steps 3000",
    "r3gan": f"{_DIGITS} --loss r3gan --lr 1e-3 --steps 3000",
    "overpowered": f"{_DIGITS} --loss ns --d-lr 4e-3 --g-lr 2e-5 --steps 2000",
    "dead": f"{_DIGITS} --loss minimax --d-lr 1e-2 --g-lr 1e-5 --steps 1000",
    "collapse": f"{_DIGITS} --loss ns --lr 8e-3 --steps 2000",
    "penalty": f"{_DIGITS} --loss wgan-gp --penalty gp=0.01 --lr 2e-3 --betas 0.5,0.9 --steps 2000",
    "unstable": f"{_DIGITS} --loss fgan-pearson --lr 2e-2 --steps 2000",
    "nan": f"{_DIGITS} --loss fgan-kl --lr 3e-2 --steps 300",
}


def run(command: str) -> dict[str, Any]:
    """Run a command in a folder of its own: the rows it wrote, and how it ended, in words."""
    out = Path("runs/curves")
    shutil.rmtree(out, ignore_errors=True)
    ganloss([*command.split(), "--out", str(out)])
    (written,) = out.glob("*/metrics.jsonl")
    ended = json.loads((written.parent / "status.json").read_text())["message"]
    rows = [_short(json.loads(line)) for line in written.read_text().splitlines()]
    return {"ended": ended.replace(f"{written.parent}/", ""), "rows": rows}


def _short(value: Any) -> Any:
    """Four digits are enough for a picture."""
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items() if k not in ("seconds", "images")}
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(names: list[str]) -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in names or RUNS:
        kept[name] = run(RUNS[name])
        lines = ",\n".join(
            f'"{name}": {{"ended": {json.dumps(kept[name]["ended"])}, "rows": [\n'
            + ",\n".join(json.dumps(row) for row in kept[name]["rows"])
            + "\n]}"
            for name in RUNS
            if name in kept
        )
        KEPT.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
