"""Data sets by name, as arrays. A new one is a new file in this folder with `@register`, found automatically."""

from vae_jax.data.named import load
from vae_jax.data.preprocess import PREPROCESS, Preprocess, dynamic, grey, static
from vae_jax.data.table import DATASETS, Dataset, Examples, Factors, Source, checked, register, split

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
