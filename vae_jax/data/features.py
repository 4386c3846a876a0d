"""Rows of features, which can be standardised, and rows of counts."""

import numpy as np

from vae_jax.data.dataset import CHUNK, Dataset, Examples, Units
from vae_jax.errors import InputError

MOST = 2**24  # float32 holds every whole number up to here


def standardised(dataset: Dataset, units: Units | None = None) -> Dataset:
    """The data with each feature's mean subtracted and divided by its standard deviation, both of the training part.

    A feature that is constant there is only shifted. The `units` of the result undo the standardisation.

    Args:
      dataset: rows of features.
      units: those of a trained model, to be used in place of the data's own.

    Raises:
      InputError: the examples are not rows of features, one is too far from the training part for float32, or a
        feature is so large that its variance overflows.
    """
    x = dataset.train.x
    if x.ndim != 2:
        raise InputError(f"`standardise` is for rows of features; {dataset.name} holds {list(x.shape[1:])} each.")
    units = units or _units_of(x)
    if units.mean.shape != x.shape[1:]:
        raise InputError(
            f"{dataset.name} holds examples of shape {x.shape[1:]}; this model takes {units.mean.shape}, which it was "
            "standardised for."
        )
    with np.errstate(over="ignore"):
        parts = [part._replace(x=units.of_model(part.x)) for part in dataset[1:4]]
    if not all(np.isfinite(part.x).all() for part in parts):
        raise InputError(f"{dataset.name}: a row is too far from the training part to be standardised; leave it out.")
    return dataset._replace(train=parts[0], validation=parts[1], test=parts[2], units=units)


def standardised_as(dataset: Dataset, asked: bool | Units) -> Dataset:
    """The data unchanged (False), standardised by their own moments (True), or by a trained model's units."""
    if asked is False:
        return dataset
    return standardised(dataset, None if asked is True else asked)


def _units_of(x: np.ndarray) -> Units:
    """Mean and standard deviation of each feature of rows `[n, features]`."""
    values = np.asarray(x, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = values.mean(0), values.std(0)
    if not np.isfinite(scale).all():
        raise InputError(f"feature {int(np.argmin(np.isfinite(scale)))} is too large to be standardised; rescale it.")
    rounding = 4 * np.finfo(x.dtype if x.dtype.kind == "f" else float).eps  # what rounding leaves of a constant
    negligible = scale <= np.maximum(rounding * np.abs(mean), np.finfo(np.float32).tiny)
    return Units(mean, np.where(negligible, 1.0, scale))


def as_counts(dataset: Dataset) -> Dataset:
    """The data as whole numbers in float32; uint8 holds counts here, not grey levels.

    Raises:
      InputError: numbers that are not whole, negative, or above 2^24.
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

    train, validation, test = (counts(part) for part in dataset[1:4])
    return dataset._replace(train=train, validation=validation, test=test)
