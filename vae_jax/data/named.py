"""A data set from what `--data` takes: a name, or a path."""

from pathlib import Path

from vae_jax.data import files, tfds
from vae_jax.data.table import DATASETS, Dataset


def load(name: str, manual_dir: Path | None = None) -> Dataset:
    """The data set for a name in `DATASETS`, any other TFDS image set, or a path to an `.npz` or `.npy`.

    Args:
      name: e.g. `digits`, `mnist`, `cifar10`, `my/images.npz`.
      manual_dir: a folder with the original files, for sets that would be downloaded.

    Raises:
      InputError: no such data set, files missing or damaged, or arrays that cannot be trained on.
    """
    if name in DATASETS:
        return DATASETS[name].load(manual_dir)
    if Path(name).suffix in files.SUFFIXES:
        return files.load_file(Path(name))
    return tfds.load_named(name, manual_dir)
