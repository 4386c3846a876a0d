"""Data sets by name, as arrays. To add one, put a file with `@DATASETS.register` into `sources`."""

from vae_jax.data.dataset import DATASETS, Dataset, Examples, Factors, Source, checked, split
from vae_jax.data.loading import load
from vae_jax.data.preprocess import PREPROCESS, Preprocess, dynamic, grey, static

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
    "split",
    "static",
]
