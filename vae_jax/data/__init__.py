"""Data sets by name, as arrays. A new one is a new file in this folder with `@register`; it is found by itself."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from vae_jax.data import files, tfds
from vae_jax.data.preprocess import PREPROCESS, Preprocess, dynamic, grey, static
from vae_jax.data.table import DATASETS, Dataset, Examples, Factors, Source, checked, register, split

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def load(name: str, manual_dir: Path | None = None) -> Dataset:
    """The data set of a name in `DATASETS`, of any other TFDS image set, or of a path to an `.npz` or `.npy`.

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


__all__ = [
    "DATASETS",
    "PREPROCESS",
    "Dataset",
    "Examples",
    "Factors",
    "Preprocess",
    "Source",
    "checked",
    "dynamic",
    "grey",
    "load",
    "register",
    "split",
    "static",
]
