"""Rows of features and of counts: standardised, or as they are."""

import numpy as np

from vae_jax.data.table import CHUNK, Dataset, Examples, Units
from vae_jax.errors import InputError

MOST = 2**24  # the whole numbers up to here are all float32


def standardised(dataset: Dataset) -> Dataset:
    """The data with each feature's mean subtracted and divided by its standard deviation, both of the training part.

    A feature that is constant there is only shifted. `dataset.units` undoes it.

    Raises:
      InputError: the examples are no rows of features, or one is further from the training part than float32 goes.
    """
    x = dataset.train.x
    if x.ndim != 2:
        raise InputError(f"--standardise is for rows of features; {dataset.name} holds {list(x.shape[1:])} each.")
    wide = np.asarray(x, np.float64)
    mean, scale = wide.mean(0), wide.std(0)
    rounding = 4 * np.finfo(x.dtype if x.dtype.kind == "f" else float).eps  # all that is left of a constant
    negligible = scale <= np.maximum(rounding * np.abs(mean), np.finfo(np.float32).tiny)
    units = Units(mean, np.where(negligible, 1.0, scale))
    with np.errstate(over="ignore"):
        parts = [part._replace(x=units.of_model(part.x)) for part in dataset[1:4]]
    if not all(np.isfinite(part.x).all() for part in parts):
        raise InputError(f"{dataset.name}: a row is too far from the training part to be standardised; leave it out.")
    return Dataset(dataset.name, *parts, classes=dataset.classes, factors=dataset.factors, units=units)


def as_counts(dataset: Dataset) -> Dataset:
    """The data as whole numbers in float32: uint8 as it is, not as grey levels.

    Raises:
      InputError: numbers that are not whole, or above 2^24.
    """

    def counts(part: Examples) -> Examples:
        x = np.asarray(part.x).astype(np.float32)
        for start in range(0, len(x), CHUNK):
            rows = x[start : start + CHUNK]
            if not np.array_equal(rows, np.round(rows)) or rows.max() > MOST or rows.min() < 0:
                raise InputError(
                    f"{dataset.name} goes from {rows.min():.6g} to {rows.max():.6g}, not all of it counts; expected "
                    f"whole numbers from 0 to {MOST:,}. Leave out what normalised them."
                )
        return part._replace(x=x)

    parts = (counts(part) for part in dataset[1:4])
    return Dataset(dataset.name, *parts, classes=dataset.classes, factors=dataset.factors)


def bounds(dataset: Dataset) -> tuple[float, float]:
    """The smallest and the largest number that the model sees; of 8 bits, 0 and 1."""
    if dataset.train.x.dtype == np.uint8:
        return 0.0, 1.0
    chunks = [part.x[at : at + CHUNK] for part in dataset[1:4] for at in range(0, len(part.x), CHUNK)]
    return min(float(rows.min()) for rows in chunks), max(float(rows.max()) for rows in chunks)
