"""Rows of features, which can be standardised, and rows of counts."""

import sys
from collections.abc import Sequence

import numpy as np

from vae_jax.data.dataset import Dataset, Examples, Units
from vae_jax.data.meaning import Meaning, as_stored, is_black_and_white, meaning_of, top_of
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
    if units is None:
        expect_resolved(x, dataset.name, dataset.feature_names, standardise=True)
        units = _units_of(x)
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


def as_float32(dataset: Dataset) -> Dataset:
    """The data with rows of features in float32.

    Raises:
      InputError: float32 would lose the spread of a feature.
    """
    x = dataset.train.x
    if x.ndim != 2 or x.dtype == np.float32 or meaning_of(x, dataset.name) is not Meaning.FEATURES:
        return dataset
    expect_resolved(x, dataset.name, dataset.feature_names)
    parts = [part._replace(x=as_stored(part.x, Meaning.FEATURES, dataset.name)) for part in dataset[1:4]]
    return dataset._replace(train=parts[0], validation=parts[1], test=parts[2])


def _units_of(x: np.ndarray) -> Units:
    """Mean and standard deviation of each feature of rows `[n, features]`."""
    values = np.asarray(x, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = values.mean(0), _spread(values)
    if not np.isfinite(scale).all():
        raise InputError(f"feature {int(np.argmin(np.isfinite(scale)))} is too large to be standardised; rescale it.")
    rounding = 4 * np.finfo(x.dtype if x.dtype.kind == "f" else float).eps  # what rounding leaves of a constant
    return Units(mean, np.where(scale <= rounding * np.abs(mean), 1.0, np.where(scale > 0, scale, 1.0)))


def _spread(values: np.ndarray) -> np.ndarray:
    """The standard deviation of each feature; the squares of numbers below 1e-160 would vanish, so none is squared."""
    centred = np.where(values.max(0) == values.min(0), 0.0, values - values.mean(0))  # not what rounding makes of it
    top = np.abs(centred).max(0)
    return top * np.sqrt(np.mean(np.square(centred / np.where(top > 0, top, 1.0)), 0))


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


def expect_resolved(x: np.ndarray, origin: str, names: Sequence[str] = (), *, standardise: bool = False) -> None:
    """Check that the values of each feature of rows `[n, features]` can be told apart in the form they are kept in.

    Args:
      x: numbers, as the user gave them.
      origin: what to call them in error messages.
      names: the names of the features, if they have names.
      standardise: whether they are to be standardised, in float64; else they become float32 as they are.

    Raises:
      InputError: rounding would cost a feature more than a hundredth of its standard deviation.
    """
    if not x.size:  # refused by `checked`
        return
    kept, whole = np.float64 if standardise else np.float32, x.dtype.kind in "iu"
    with np.errstate(over="ignore", invalid="ignore"):
        if whole:  # exact: differences of 64-bit numbers fit 64 bits without a sign
            spread = _spread((x.astype(np.uint64) - x.min(0).astype(np.uint64)).astype(np.float64))
            most = np.maximum(np.abs(x.min(0).astype(np.float64)), x.max(0).astype(np.float64))
            lost = np.where(most <= 2.0 ** (np.finfo(kept).nmant + 1), 0.0, most * np.finfo(kept).eps / 2)
        else:
            values = np.asarray(x, np.float64)
            spread, lost = _spread(values), np.abs(values - values.astype(kept)).max(0)
    small = (spread > 0) & (spread < np.finfo(np.float32).tiny)
    if (blurred := small | ((lost > 0.01 * spread) & (spread > 0) & np.isfinite(lost))).any():
        j = int(np.argmax(blurred))
        low, top, bits = x[:, j].min(), x[:, j].max(), np.finfo(kept).bits
        ends = f"{low} to {top}" if whole else f"{low:.17g} to {top:.17g}"
        what = f"{origin}: feature {repr(names[j]) if names else j} goes from {ends}"
        if small[j]:
            raise InputError(f"{what}, too small a spread for float32; multiply it.")
        remedy = "subtract the offset" if standardise else "pass `standardise`, or subtract the offset"
        raise InputError(f"{what}, an offset beside which float{bits} loses its spread; {remedy}.")
