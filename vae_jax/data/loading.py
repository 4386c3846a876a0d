"""A data set from what `--data` takes: a name, or a path."""

import os
from pathlib import Path

from vae_jax.data.dataset import DATASETS, Dataset, Units
from vae_jax.data.features import as_black_and_white, standardised_as
from vae_jax.data.sources import files, folders, tfds
from vae_jax.errors import InputError

HUGGING_FACE = "hf:"
LONGEST = 255  # bytes that a part of a path may have


def load(
    name: str | Path,
    manual_dir: Path | None = None,
    *,
    size: int | None = None,
    skip_broken: bool = False,
    standardise: bool | Units = False,
) -> Dataset:
    """The data set for a name in `DATASETS`, any other TFDS image set, or a path.

    Args:
      name: such as `digits`, `mnist`, `emnist/letters`, `hf:user/photos`, `my/images.npz`; or a folder of images.
      manual_dir: a folder with the original files, for sets that would be downloaded.
      size: crop images to their central square and resize them to this many pixels a side.
      skip_broken: leave out the files of a folder that cannot be read.
      standardise: rows of features with mean 0 and variance 1; or the units of a trained model, to be used in place of
        the data's own. See `features.standardised`.

    Raises:
      InputError: no such data set, files missing or damaged, arrays that cannot be trained on, or a `size` for a data
        set of one fixed size.
    """
    if not isinstance(name, str | Path) or not str(name).strip():
        raise InputError(
            f"the name of the data is {name!r}; expected a data set's name, a folder of images, or a file."
        )
    name, path = str(name), Path(name)
    if any(len(os.fsencode(part)) > LONGEST for part in path.parts):
        raise InputError(f"{name[:40]}… has a part of over {LONGEST} bytes; expected the name of a data set or a path.")
    if size is not None and (type(size) is not int or size < 1):
        raise InputError(f"`size={size}`: expected a whole number of at least 1.")
    if path.suffix in files.SUFFIXES and name not in DATASETS and size is None:
        dataset = files.load_file(path, standardise=standardise)
    else:
        dataset = standardised_as(_images(name, manual_dir, size=size, skip_broken=skip_broken), standardise)
    return as_black_and_white(dataset)


def _images(name: str, manual_dir: Path | None, *, size: int | None, skip_broken: bool) -> Dataset:
    path = Path(name)
    if name in DATASETS or path.suffix in files.SUFFIXES:
        if size is not None:
            raise InputError(f"`size={size}`: {name} comes as it is; expected a folder of images, or another set.")
        return DATASETS[name].load(manual_dir)
    if name.startswith(HUGGING_FACE):
        from vae_jax.data.sources import hugging_face

        return hugging_face.load_named(name.removeprefix(HUGGING_FACE), size=size)
    if path.is_dir():
        return folders.load_folder(path, size=size, skip_broken=skip_broken)
    return tfds.load_named(name, manual_dir, size=size)
