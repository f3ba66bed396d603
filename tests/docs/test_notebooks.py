"""The notebooks run from the first cell to the last, a few steps instead of some hundred."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def read(path: Path):
    return nbformat.read(path, as_version=4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path) -> None:
    notebook = read(path)
    assert any("STEPS = " in cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace("STEPS = 600", "STEPS = 3")
        cell.source = cell.source.replace("STEPS = 300", "STEPS = 3").replace("snap=100", "snap=3")
        cell.source = cell.source.replace("range(6)", "range(1)")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=240, resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_with_what_it_printed(path: Path) -> None:
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) - 1
    outputs = str([cell.outputs for cell in cells])
    assert "Traceback" not in outputs
    assert str(Path.home()) + "/" not in outputs


def test_there_are_two() -> None:
    assert len(NOTEBOOKS) == 2
