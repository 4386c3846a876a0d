"""Results as files that other programs read: tables, arrays and pictures, by the ending of a path; whole or absent."""

import csv
import glob
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vae_jax.data.sources.pictures import suffixes
from vae_jax.errors import InputError
from vae_jax.plots.images import grid
from vae_jax.writing import aside_of, atomic

Columns = Mapping[str, np.ndarray]  # name -> `[n]`, or `[n, …]`
COLUMNS = 10  # of images in a picture


class Sink(Protocol):
    """Takes rows as they come."""

    def __call__(self, columns: Columns) -> None:
        """Take some rows: name -> `[m, …]`, the same names each time."""
        ...


TABLES, ARRAYS, PICTURES = (".csv", ".tsv", ".parquet", ".feather"), (".npz", ".npy"), (".png", "")


def expect_known(path: Path, *, images: bool) -> None:
    """Check that an ending is one that results can be written to, before anything is computed.

    Args:
      path: `--out`.
      images: whether the results are images, which go to arrays or pictures, and no table.

    Raises:
      InputError: another ending, what is there already and cannot be replaced, or a package that is missing.
    """
    allowed = (*ARRAYS, *PICTURES) if images else (*TABLES, *ARRAYS)
    suffix = path.suffix.lower()
    if suffix not in allowed:
        kinds = ", ".join(filter(None, allowed)) + (", or a folder of PNGs" if images else "")
        raise InputError(f"--out {path}: {'images are' if images else 'rows are'} written to {kinds}.")
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"--out {path} is there already; choose another, or delete it.")
    if not path.resolve().parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.resolve().parent}.")
    if suffix in (".parquet", ".feather"):
        _arrow()


@contextmanager
def results(path: Path, *, main: str, flat: Mapping[str, Sequence[str]] | None = None) -> Iterator[Sink]:
    """A sink whose rows are in the file or folder `path` once the block has ended, and nowhere if it fails.

    Args:
      path: where to; its ending says how. An `.npy` holds the main column alone, an `.npz` an array for each column, a
        table a column for each number, and a folder or a picture the images of the main column.
      main: the column of most interest.
      flat: column `[n, k]` -> the names of its k numbers in a table.
    """
    suffix = path.suffix.lower()
    with atomic(path) if suffix else _atomic_folder(path) as aside:
        how: Any = {
            ".csv": _text,
            ".tsv": _text,
            ".parquet": _parquet,
            ".feather": _feather,
            ".npy": _arrays,
            ".npz": _arrays,
            ".png": _picture,
            "": _pictures,
        }[suffix]
        with how(aside, suffix, main, flat or {}) as sink:
            yield sink


def _flattened(columns: Columns, flat: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """A column for each number; one of ours whose name a feature has gets a _ before it."""
    table: dict[str, np.ndarray] = {}
    features = {name for name, values in columns.items() if values.ndim > 1 for name in flat[name]}
    for name, values in columns.items():
        if values.ndim == 1:
            while name in features:
                name = f"_{name}"
            table[name] = values
        else:
            table |= dict(zip(flat[name], np.moveaxis(values, 1, 0), strict=True))
    return table


@contextmanager
def _text(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    with aside.open("w", encoding="utf-8", newline="") as file:
        writer, begun = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ","), False

        def sink(columns: Columns) -> None:
            nonlocal begun
            table = _flattened(columns, flat)
            if not begun:
                writer.writerow(table)
                begun = True
            texts = [[_word(value) for value in values] for values in table.values()]
            writer.writerows(zip(*texts, strict=True))

        yield sink


def _word(value: Any) -> str:
    """The shortest decimal form that is read back as the same number; yes and no as 1 and 0."""
    return str(int(value)) if isinstance(value, bool | np.bool_) else str(value)


@contextmanager
def _parquet(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    arrow = _arrow()
    from pyarrow import parquet

    writer: Any = None

    def sink(columns: Columns) -> None:
        nonlocal writer
        table = arrow.table({name: np.asarray(values) for name, values in _flattened(columns, flat).items()})
        writer = writer or parquet.ParquetWriter(aside, table.schema)
        writer.write_table(table)

    try:
        yield sink
    finally:
        if writer is not None:
            writer.close()


@contextmanager
def _feather(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    arrow = _arrow()
    from pyarrow import feather

    tables: list[Any] = []
    yield lambda columns: tables.append(arrow.table(_flattened(columns, flat)))
    feather.write_feather(arrow.concat_tables(tables), str(aside))


@contextmanager
def _arrays(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    parts: list[Columns] = []
    yield lambda columns: parts.append(columns if suffix == ".npz" else {main: columns[main]})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if suffix == ".npy":
        with aside.open("wb") as file:
            np.save(file, joined[main], allow_pickle=False)
        return
    with zipfile.ZipFile(aside, "w") as archive:
        for name, values in joined.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)


@contextmanager
def _picture(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    parts: list[np.ndarray] = []
    yield lambda columns: parts.append(columns[main])
    images = np.concatenate(parts)
    grid(images, min(len(images), COLUMNS), aside, title="")


@contextmanager
def _pictures(aside: Path, suffix: str, main: str, flat: Mapping[str, Sequence[str]]) -> Iterator[Sink]:
    from PIL import Image

    def sink(columns: Columns) -> None:
        for name, image in zip(columns["id"], columns[main], strict=True):
            whole_name = Path(str(name))
            path = aside / (whole_name.with_suffix("") if whole_name.suffix.lower() in suffixes() else whole_name)
            path = path.with_name(path.name + ".png")
            if not path.resolve().is_relative_to(aside.resolve()):
                raise InputError(f"{name!r} is no name for a file.")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():  # a.jpg beside a.png, or an id that comes twice
                path = path.with_name(f"{path.stem}-{len(list(path.parent.glob(f'{glob.escape(path.stem)}*')))}.png")
            whole = (255 * np.clip(np.asarray(image), 0, 1)).round().astype(np.uint8)
            Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole).save(path)

    yield sink


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    aside = aside_of(path)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        yield aside
        if path.is_dir():
            path.rmdir()  # it was empty
        aside.rename(path)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what did not fit
        raise


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise InputError("Parquet and Feather are written with pyarrow; pip install 'vae-jax[tables]'.") from None
    return pyarrow
