"""A data set from what `--data` takes: a name, or a path."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vae_jax.data.columns import Columns
from vae_jax.data.dataset import DATASETS, Dataset, Units
from vae_jax.data.features import as_black_and_white, as_float32, standardised
from vae_jax.data.sources import files, folders, tables, tfds
from vae_jax.data.whole import SPLITS, Split, Whole, in_parts, together
from vae_jax.errors import InputError

HUGGING_FACE = "hf:"
LONGEST = 255  # bytes that a part of a path may have
OWN = (*files.SUFFIXES, *tables.SUFFIXES)  # endings of files of the user's own


class Reading(NamedTuple):
    """How the user's own data are read, and split; see `load`.

    Attributes:
      size: of images.
      skip_broken: whether images that cannot be read are left out.
      columns: which columns of a table are what.
      validation: a share, or a file or folder.
      test: likewise.
      split: how examples are held out.
    """

    size: int | None = None
    skip_broken: bool = False
    columns: Columns = Columns()
    validation: str | float | None = None
    test: str | float | None = None
    split: Split = "stratified"


def load(
    name: str | Path,
    manual_dir: Path | None = None,
    *,
    size: int | None = None,
    skip_broken: bool = False,
    standardise: bool | Units = False,
    id: str | None = None,
    label: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    validation: str | float | None = None,
    test: str | float | None = None,
    split: Split = "stratified",
) -> Dataset:
    """The data set for a name in `DATASETS`, any other TFDS image set, or a path.

    Args:
      name: such as `digits`, `mnist`, `emnist/letters`, `hf:user/photos`, `my/images.npz`, `my/table.csv`; or a folder
        of images.
      manual_dir: a folder with the original files, for sets that would be downloaded.
      size: crop images to their central square and resize them to this many pixels a side.
      skip_broken: leave out the files of a folder that cannot be read.
      standardise: rows of features with mean 0 and variance 1; or the units of a trained model, to be used in place of
        the data's own. See `features.standardised`.
      id: of a table or an `.npz`, the column or array with what examples are called.
      label: of a table or an `.npz`, the column or array of classes.
      columns: of a table, the columns to use; by default all that are not used otherwise.
      drop: of a table, columns to leave out.
      validation: of data of the user's own, the share to hold out for validation, or a file or folder; by default the
        part that the data have, or a tenth.
      test: likewise for testing.
      split: how examples of the user's own are held out: `stratified`, in proportion to their classes, or `random`.

    Raises:
      InputError: no such data set, files missing or damaged, arrays that cannot be trained on, or a choice that is not
        for this kind of data.
    """
    chosen = Columns(id, label, tuple(columns), tuple(drop))
    return finished(opened(name, manual_dir, Reading(size, skip_broken, chosen, validation, test, split)), standardise)


def opened(name: str | Path, manual_dir: Path | None, reading: Reading) -> Dataset:
    """The data set as its files hold it: features in their own dtype, not yet standardised; see `load`."""
    name, path = _checked_name(name), Path(name)
    if reading.size is not None and (type(reading.size) is not int or reading.size < 1):
        raise InputError(f"`size={reading.size}`: expected a whole number of at least 1.")
    if reading.split not in SPLITS:
        raise InputError(f"`split={reading.split}`: expected one of {', '.join(SPLITS)}.")
    if is_own(name):
        found = read(path, reading)
        given = {"validation": reading.validation, "test": reading.test}
        held = {part: _held(part, value, found, reading) for part, value in given.items() if value is not None}
        return in_parts(found, split=reading.split, held=held)
    _expect_none(reading, name, own=False)
    if name in DATASETS:
        if reading.size is not None:
            raise InputError(
                f"`size={reading.size}`: {name} comes as it is; expected a folder of images, or another set."
            )
        return DATASETS[name].load(manual_dir)
    if name.startswith(HUGGING_FACE):
        from vae_jax.data.sources import hugging_face

        return hugging_face.load_named(name.removeprefix(HUGGING_FACE), size=reading.size)
    return tfds.load_named(name, manual_dir, size=reading.size)


def is_own(name: str) -> bool:
    """Whether a name is that of a file or folder of the user's own, and not that of a published data set."""
    path = Path(name)
    published = name in DATASETS or name.startswith(HUGGING_FACE)
    return not published and (path.suffix.lower() in OWN or path.is_dir() or path.is_file())


def read(path: Path, reading: Reading) -> Whole:
    """All examples of a file or folder of the user's own, not split.

    Raises:
      InputError: as `load`.
    """
    suffix = path.suffix.lower()
    if path.is_dir() and suffix not in OWN:
        _expect_none(reading, str(path), own=True)
        return folders.read_folder(path, size=reading.size, skip_broken=reading.skip_broken)
    if reading.size is not None:
        raise InputError(f"`size={reading.size}`: {path} comes as it is; expected a folder of images, or another set.")
    if suffix in tables.SUFFIXES:
        return tables.read_table(path, reading.columns)
    if suffix in files.SUFFIXES:
        if reading.columns.features or reading.columns.drop:
            raise InputError(f"`columns` and `drop` are for tables ({', '.join(tables.SUFFIXES)}); {path} is none.")
        return files.read_file(path, reading.columns)
    raise InputError(
        f"{path} is a file of a kind that is not read; expected {', '.join(OWN)}, or a folder of images. Text with "
        "columns is a .csv, an array becomes one with np.save."
    )


def finished(dataset: Dataset, standardise: bool | Units) -> Dataset:
    """The data standardised, or as float32; black and white if 8-bit numbers are 0 and 1."""
    if standardise is False:
        return as_black_and_white(as_float32(dataset))
    return standardised(dataset, None if standardise is True else standardise)


def _held(part: str, value: str | float, found: Whole, reading: Reading) -> float | Whole:
    """What is given for a part: a share, or other examples."""
    try:
        return float(value)
    except ValueError:
        path = Path(str(value))
    if not path.exists():
        raise InputError(f"`{part}={value}`: no such file or folder; expected one, or a share such as 0.1.")
    again = reading._replace(columns=reading.columns._replace(known=found.feature_names))
    return together(found, read(path, again))


def _expect_none(reading: Reading, name: str, *, own: bool) -> None:
    """Check that no choice was made that is for other kinds of data."""
    tables_only = {"id": reading.columns.id, "label": reading.columns.label}
    tables_only |= {"columns": reading.columns.features, "drop": reading.columns.drop}
    own_only = {} if own else {"validation": reading.validation, "test": reading.test}
    if other := next((flag for flag, value in (tables_only | own_only).items() if value not in (None, ())), None):
        kinds = "tables" if other in tables_only else "data of your own"
        raise InputError(f"`{other}` is for {kinds}; {name} comes with its own.")


def _checked_name(name: str | Path) -> str:
    if not isinstance(name, str | Path) or not str(name).strip():
        raise InputError(
            f"the name of the data is {name!r}; expected a data set's name, a folder of images, or a file."
        )
    if any(len(os.fsencode(part)) > LONGEST for part in Path(name).parts):
        shown = str(name)[:40]
        raise InputError(f"{shown}… has a part of over {LONGEST} bytes; expected the name of a data set or a path.")
    return str(name)
