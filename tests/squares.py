"""A data set of known factors, small enough to measure everything of a model in seconds."""

import numpy as np
import pytest
from tables import enter

from vae_jax.data import DATASETS, Dataset, Examples, Factors, Source

SIZES = (2, 8, 8)
SMALL = {"data": "squares", "hidden": (16,), "latent": 3, "epochs": 2, "batch_size": 32}


def squares() -> Dataset:
    """Small and large squares at 64 places, all of them known."""
    images = np.zeros((*SIZES, 12, 12, 1), np.uint8)
    for size, row, column in np.ndindex(*SIZES):
        images[size, row, column, row : row + 2 + 2 * size, column : column + 2 + 2 * size] = 255
    x = images.reshape(-1, 12, 12, 1)
    examples = Examples(x, np.repeat(np.arange(2, dtype=np.int32), 64))
    factors = Factors(("size", "row", "column"), SIZES, lambda start, stop: x[start:stop])
    test = Examples(*(leaf[::2] for leaf in examples))
    return Dataset("squares", examples, examples, test, classes=2, factors=factors)


def enter_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data squares`, for as long as a test takes."""
    enter(monkeypatch, DATASETS, "squares", Source("squares", lambda folder: squares(), epochs=2))
