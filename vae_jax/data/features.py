"""Rows of features, which can be standardised, and rows of counts."""

import sys

import numpy as np

from vae_jax.data.dataset import Dataset, Examples, Units
from vae_jax.data.meaning import Meaning, as_stored, is_black_and_white, top_of
from vae_jax.errors import InputError


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
    """The data as whole numbers in float32; uint8 holds counts here, not grey levels, and black and white are 0 and 1.

    Raises:
      InputError: numbers that are not whole, negative, or above 2^24.
    """
    binary = all(is_black_and_white(part.x) for part in dataset[1:4])

    def counts(part: Examples) -> Examples:
        x = np.asarray(part.x)
        return part._replace(x=as_stored(x > 0 if binary else x, Meaning.COUNTS, dataset.name))

    train, validation, test = (counts(part) for part in dataset[1:4])
    return dataset._replace(train=train, validation=validation, test=test)


def as_black_and_white(dataset: Dataset) -> Dataset:
    """The data with 8-bit numbers 0 and 1 as black and white, since no grey level of 255 is meant by them.

    Sets of known factors are as published.
    """
    parts = dataset[1:4]
    if dataset.factors is not None or any(part.x.dtype != np.uint8 for part in parts):
        return dataset
    if max(top_of(part.x) for part in parts) != 1:
        return dataset
    print(f"{dataset.name} holds only 0 and 1: taken as black and white, not as 1 of 255 grey levels.", file=sys.stderr)
    train, validation, test = (part._replace(x=part.x * np.uint8(255)) for part in parts)
    return dataset._replace(train=train, validation=validation, test=test)


def expect_resolved(x: np.ndarray, origin: str) -> None:
    """Check that float32 can tell the values of each feature of rows `[n, features]` apart.

    Raises:
      InputError: rounding to float32 would cost a feature more than a hundredth of its standard deviation.
    """
    values = np.asarray(x, np.float64)
    if not values.size:  # refused by `checked`
        return
    with np.errstate(over="ignore", invalid="ignore"):
        spread = values.std(0)
        lost = np.abs(values - values.astype(np.float32)).max(0)
    if (blurred := (lost > 0.01 * spread) & (spread > 0) & np.isfinite(lost)).any():
        j = int(np.argmax(blurred))
        raise InputError(
            f"{origin}: feature {j} goes from {values[:, j].min():.12g} to {values[:, j].max():.12g}, an offset beside "
            f"which float32 loses its spread; pass `standardise`, or subtract the offset."
        )
