"""Print every timing: ours, the other side, ratio, spread, bound; exit 1 when one is missed."""

import sys

import torch

from benchmarks import imports, lab, pipeline, structural, training

FAMILIES = {
    "imports": imports.rows,
    "lab": lab.rows,
    "pipeline": pipeline.rows,
    "structural": structural.rows,
    "training": training.rows,
}


def main(names: list[str]) -> int:
    chosen = names or list(FAMILIES)
    print(f"torch {torch.__version__}, two threads; medians, ratios of interleaved rounds\n")
    missed = 0
    for name in chosen:
        for row in FAMILIES[name]():
            print(row, flush=True)
            missed += not row.holds
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
