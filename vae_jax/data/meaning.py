"""What the numbers of an array mean, decided once from the training data: one rule for every door that arrays enter."""

import sys
from enum import Enum
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from vae_jax.errors import InputError

CHUNK = 4096  # examples looked at at a time
MOST = 2**24  # float32 holds every whole number up to here
WHITE = 255


class Meaning(Enum):
    """What the numbers of examples are, and so the form in which they are stored."""

    LEVELS = "grey levels"  # uint8 0..255, which the model sees divided by 255
    PIXELS = "pixels in [0, 1]"  # float32
    FEATURES = "features"  # float32, any finite numbers
    COUNTS = "counts"  # float32, whole numbers from 0


def meaning_of(x: np.ndarray, origin: str, *, counts: bool = False) -> Meaning:
    """What the numbers of a training array mean, by its dtype and rank.

    Args:
      x: `[n, height, width, channels]` or `[n, features]`.
      origin: what to call the data in error messages.
      counts: whether the likelihood is one of counts.

    Raises:
      InputError: images of a dtype that does not say what its numbers mean.
    """
    if x.dtype.type is np.void:
        raise InputError(
            f"{origin} holds raw bytes ({x.dtype}), as NumPy keeps bfloat16 in a file; save x.astype('float32')."
        )
    if x.dtype.kind not in "biuf" and not jnp.issubdtype(x.dtype, np.floating):
        raise InputError(f"{origin} is {x.dtype}; expected numbers, uint8 0..255 or float in [0, 1].")
    if counts:
        return Meaning.COUNTS
    if x.dtype in (np.uint8, bool):
        return Meaning.LEVELS
    if x.ndim == 2:
        return Meaning.FEATURES
    if x.dtype.kind in "iu":
        raise InputError(f"{origin} is {x.dtype}; expected uint8 0..255 or float in [0, 1]. Convert with x.astype.")
    return Meaning.PIXELS


def as_stored(x: Any, meaning: Meaning, origin: str, *, binary: bool = False, unit: bool = False) -> Any:
    """Examples in the form in which data of this meaning are stored: uint8 levels, or float32.

    Args:
      x: `[n, …]`, NumPy or JAX; what is being traced has no values yet, and only its dtype is converted.
      meaning: what the numbers of the training data mean.
      origin: what to call the array in error messages.
      binary: whether the training data are black and white, so that 8-bit numbers 0 and 1 are that too.
      unit: whether the likelihood takes only numbers in [0, 1].

    Raises:
      InputError: numbers that are not finite, or that data of this meaning cannot hold.
    """
    if isinstance(x, Tracer):
        return x.astype(jnp.float32) if meaning is Meaning.COUNTS or x.dtype == bool else x
    if x.dtype == bool:
        return x.astype(np.uint8) * np.uint8(WHITE) if meaning is Meaning.LEVELS else x.astype(np.float32)
    whole = x.dtype.kind in "iu"
    if meaning is Meaning.LEVELS and whole:
        return _levels(x, origin, binary=binary)
    if meaning is Meaning.PIXELS and whole:
        x = _levels(x, origin, binary=binary).astype(np.float32) / np.float32(WHITE)
    with np.errstate(over="ignore"):  # infinity is refused next
        x = x.astype(np.float32, copy=False)
    expect_finite(x, origin)
    if meaning is Meaning.COUNTS:
        _expect_counts(x, origin)
    elif meaning is not Meaning.FEATURES or unit:
        _expect_unit(x, origin)
    return x


def _levels(x: Any, origin: str, *, binary: bool) -> Any:
    """Whole numbers as uint8 levels; of black and white data, 1 is white."""
    low, top = int(x.min()), int(x.max())
    if low < 0 or top > WHITE:
        raise InputError(f"{origin} goes from {low} to {top}; expected whole numbers 0..255, or floats in [0, 1].")
    x = x.astype(np.uint8, copy=False)
    if top == 1 and binary:
        return x * np.uint8(WHITE)
    if top == 1:
        print(
            f"{origin} holds only 0 and 1, of 255 grey levels: almost black. If 1 is white, give it as bool.",
            file=sys.stderr,
        )
    return x


def expect_finite(x: np.ndarray, origin: str) -> None:
    """Check examples `[n, …]`.

    Raises:
      InputError: NaN or infinity; it names the first example that holds one.
    """
    what = "image" if x.ndim == 4 else "row"
    for start in range(0, len(x), CHUNK):
        finite = np.isfinite(x[start : start + CHUNK])
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0, 0])
            raise InputError(
                f"{origin}: {what} {row} holds NaN, infinity or numbers beyond float32; expected finite numbers."
            )


def _expect_unit(x: np.ndarray, origin: str) -> None:
    """Check that numbers are in [0, 1], and name one that is not with all its digits."""
    for start in range(0, len(x), CHUNK):
        part = np.asarray(x[start : start + CHUNK])
        low, top = part.min(), part.max()
        if low < 0 or top > 1:
            outside = low if low < 0 else top
            raise InputError(
                f"{origin} goes from {low:.9g} to {top:.9g}, and {outside:.9g} is outside; expected float in [0, 1] "
                f"or uint8 0..255. {_remedy(float(low), float(top))}"
            )


def _remedy(low: float, top: float) -> str:
    if low >= -1e-4 and top <= 1 + 1e-4:
        return "Rounding: np.clip(x, 0, 1)."
    if low >= 0 and top <= WHITE:
        return "Divide by 255 or convert with x.astype('uint8')."
    if low >= -1 and top <= 1:
        return "From −1..1: (x + 1) / 2."
    return "Rescale it: (x - x.min()) / (x.max() - x.min())."


def _expect_counts(x: np.ndarray, origin: str) -> None:
    for start in range(0, len(x), CHUNK):
        rows = np.asarray(x[start : start + CHUNK])
        if not np.array_equal(rows, np.round(rows)) or rows.max() > MOST or rows.min() < 0:
            raise InputError(
                f"{origin} goes from {rows.min():.6g} to {rows.max():.6g}, not all of it counts; expected whole "
                f"numbers from 0 to {MOST:,}. Leave out what normalised them."
            )


def top_of(x: np.ndarray) -> float:
    """The largest number of an array that may be memory-mapped."""
    return max(float(x[start : start + CHUNK].max()) for start in range(0, len(x), CHUNK))


def is_black_and_white(x: np.ndarray) -> bool:
    """Whether 8-bit levels are 0 and 255 alone, or other numbers 0 and 1, of an array that may be memory-mapped."""
    white = WHITE if x.dtype == np.uint8 else 1
    chunks = (x[start : start + CHUNK] for start in range(0, len(x), CHUNK))
    return all(bool(((part == 0) | (part == white)).all()) for part in chunks)
