"""The notebooks are kept with their pictures; they run from start to end (slow), with little training and with all."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
QUICK = {"EPOCHS": 2, "SPRITES_EPOCHS": 1, "STEPS": 50, "SCORES": ("mig",)}  # in place of what a notebook sets

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def execute(path: Path, folder: Path, monkeypatch, **parameters) -> None:
    """Run a notebook in a folder of its own; those of `parameters` that it has replace its own values."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(path.parent.parent), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, 4)
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    has = {name: value for name, value in parameters.items() if name in notebook.cells[place].source}
    assert has or not parameters
    lines = "\n".join(f"{name} = {value!r}" for name, value in has.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(lines))
    (folder / "notebooks").mkdir()
    where = {"metadata": {"path": str(folder / "notebooks")}}
    NotebookClient(notebook, kernel_name="python3", resources=where).execute()


@pytest.mark.slow
@each
def test_runs_with_little_training(path, tmp_path, monkeypatch):
    """The code of each notebook runs, its parameters set to a few epochs."""
    execute(path, tmp_path, monkeypatch, **QUICK)


@pytest.mark.slow
@each
def test_runs_as_it_stands(path, tmp_path, monkeypatch):
    """Each notebook runs as a reader would run it."""
    execute(path, tmp_path, monkeypatch)


@each
def test_is_kept_with_its_pictures(path):
    """Every cell has run, in order and without a word on stderr, and every picture is in the file, under 500 kB."""
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type != "error" and output.get("name") != "stderr" for output in outputs)
    shown = sum("Image(" in cell.source or "sliders(" in cell.source for cell in cells)
    assert shown >= 2 and shown == sum("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < 1_200_000 and "widgets" not in notebook.metadata


@each
def test_opens_with_the_picture_that_it_reaches_and_installs_itself_where_it_must(path):
    first, second, *_ = nbformat.read(path, 4).cells
    assert (
        f"(pictures/{path.stem[0]}.png)" in first.source and (path.parent / "pictures" / f"{path.stem[0]}.png").exists()
    )
    assert "%pip install" in second.source and second.source.index("find_spec") < second.source.index("%pip")


def test_there_are_six():
    assert [path.stem[0] for path in NOTEBOOKS] == list("123456")
