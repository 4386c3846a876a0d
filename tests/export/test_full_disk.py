"""Whatever leaves the package, on a full disk: the file is named, what was there stays, nothing is half written."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import train as train_command
from vae_jax.errors import InputError
from vae_jax.explore.single import write_page
from vae_jax.export.format import FORMATS
from vae_jax.export.results import results
from vae_jax.plots.canvas import canvas, save
from vae_jax.runs import Config
from vae_jax.writing import replace_file, write_json, write_sealed


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond fails as on a full disk, here with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        few_codes(patch)
        no_pictures(patch)
        train_command.main(Config(latent=2, epochs=1, hidden=(16,), out=folder))
    return folder


def figure(path: Path) -> None:
    drawn = canvas(2, 2)
    drawn.subplots().plot([0, 1], [1, 0])
    save(drawn, path / "figure.png")


def written(path: Path) -> None:
    x = np.random.RandomState(0).rand(50, 4, 4, 3) if path.suffix == ".png" else np.random.RandomState(0).rand(500, 3)
    with results(path, main="x", flat={"x": ("a", "b", "c")}) as sink:
        sink({"id": np.arange(len(x)), "x": x})


ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".npz", ".npy", ".png")
WRITERS = {
    **{f"results{one}": (lambda model, out, run, one=one: written(out / f"x{one}")) for one in ENDINGS},
    **{name: (lambda model, out, run, one=one: one.write(model, out, run)) for name, one in FORMATS.items()},
    "page": lambda model, out, run: write_page(model, out / "page.html"),
    "figure": lambda model, out, run: figure(out),
    "text": lambda model, out, run: replace_file(out / "text", "x" * 9000),
    "json": lambda model, out, run: write_json(out / "a.json", ["x" * 9000]),
    "sealed": lambda model, out, run: write_sealed(out / "a.json", {"x": "x" * 9000}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_that_names_the_file(name, run, tmp_path):
    model = vae_jax.load(run)
    with files_of_at_most(300), pytest.raises(OSError) as caught:
        WRITERS[name](model, tmp_path, run)
    assert caught.value.filename and str(tmp_path) in str(caught.value.filename)
    assert not list(tmp_path.iterdir())
    WRITERS[name](model, tmp_path, run)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert whole and all(len(content) > 300 for content in whole.values())
    with files_of_at_most(300), pytest.raises(OSError):
        WRITERS[name](model, tmp_path, run)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == whole


def test_nothing_is_written_by_any_other_way():
    """Every file goes through `writing` or, for arrays and what libraries write themselves, a name aside."""
    package = Path(vae_jax.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for way in (".write_text(", '.open("w"', "json.dump(", "np.save(", "np.savetxt("):
            assert way not in text or path.name in ("writing.py", "results.py"), f"{path}: {way}"


RACE = """
import sys
from pathlib import Path
from vae_jax.writing import replace_file
for _ in range(40):
    replace_file(Path(sys.argv[1]), sys.argv[2] * 300_000)
"""


def test_two_processes_that_write_one_file_tear_nothing(tmp_path):
    path = tmp_path / "x"
    (tmp_path / "x.99999999.part").write_text("left by a process that was killed")
    both = [subprocess.Popen([sys.executable, "-c", RACE, str(path), letter]) for letter in "ab"]
    while any(process.poll() is None for process in both):
        text = path.read_text() if path.exists() else "a" * 300_000
        assert len(text) == 300_000 and len(set(text)) == 1
    assert [process.returncode for process in both] == [0, 0]
    assert [left.name for left in tmp_path.iterdir()] == ["x"]


def test_a_folder_of_pictures_is_whole_or_absent(tmp_path):
    x = np.random.RandomState(0).rand(5, 40, 40, 3)
    for size, there in ((300, []), (10**6, ["x"])):
        with files_of_at_most(size), suppress(OSError), results(tmp_path / "x", main="x") as sink:
            sink({"id": np.arange(5), "x": x})
        assert [path.name for path in tmp_path.iterdir()] == there
    assert len(list((tmp_path / "x").iterdir())) == 5
    with pytest.raises(InputError, match="is no name for a file"), results(tmp_path / "y", main="x") as sink:
        sink({"id": np.array(["../../outside"] * 5), "x": x})
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
