"""What a user hands to a trained model: checked, and in the form in which its data are stored."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from vae_jax.data.description import Description
from vae_jax.errors import InputError, nearest

SEEDS = 2**32


def numbers(name: str, given: Any) -> Any:
    """An array of finite real numbers, from arrays of any library, lists or data frames.

    What is being traced, as by `jax.jit`, has no values yet and is returned as it is.

    Args:
      name: what it is called in the message.
      given: the numbers.

    Raises:
      InputError: something else than numbers, or numbers that are missing, complex, infinite or NaN.
    """
    if isinstance(given, Tracer):
        return given
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InputError(f"{name} has masked values; expected a number in each place.")
    try:
        found = np.asarray(given)
        if found.dtype.kind == "O":
            found = found.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: a tensor that torch keeps to itself
        raise InputError(f"{name} is not an array of numbers; expected rows of one length, without gaps.") from None
    if found.dtype.type is np.void or given is None:
        what = "nothing" if given is None else f"raw bytes ({found.dtype}), as NumPy keeps bfloat16"
        raise InputError(f"{name} holds {what}; expected an array of numbers, such as x.astype('float32').")
    if found.dtype != bool and not jnp.issubdtype(found.dtype, np.number):
        raise InputError(f"{name} holds {found.dtype}; expected numbers.")
    if jnp.issubdtype(found.dtype, np.complexfloating):
        raise InputError(f"{name} holds complex numbers; expected real ones.")
    if not np.isfinite(found).all():
        raise InputError(f"{name} holds NaN or infinity; expected finite numbers.")
    return found


def examples(name: str, given: Any, described: Description, *, unit: bool) -> Any:
    """Examples as the data are stored, `[n, *shape]`, standardised if these were.

    Args:
      name: what they are called in the message.
      given: numbers in the units of the data; see `Description.stored`.
      described: the description of the data.
      unit: whether the likelihood takes only numbers in [0, 1].

    Raises:
      InputError: as `numbers`; another shape; or numbers that the data cannot hold.
    """
    found = numbers(name, given)
    expect_shape(name, found.shape, described.shape)
    return described.stored(name, found, unit=unit)


def codes(name: str, given: Any) -> Array:
    """Codes as the decoder takes them, float32.

    Args:
      name: what they are called in the message.
      given: the numbers.

    Raises:
      InputError: as `numbers`; or numbers that float32 cannot hold.
    """
    found = numbers(name, given)
    if not isinstance(found, Tracer):
        with np.errstate(over="ignore"):
            found = np.asarray(found, np.float32)
        if not np.isfinite(found).all():
            raise InputError(f"{name} holds numbers beyond float32; expected finite numbers.")
    return jnp.asarray(found, jnp.float32)


def labels(given: Any, n: int, classes: int, names: tuple[str, ...] = ()) -> Array:
    """Labels `[n]` as the model takes them.

    Args:
      given: `[n]` whole numbers, or names of classes.
      n: how many are needed.
      classes: how many labels there are.
      names: their names, if they have names.

    Raises:
      InputError: as `numbers`; not n of them, or one that is no label.
    """
    if names and not isinstance(given, Tracer) and np.asarray(given).dtype.kind in "UO":
        words = [str(word) for word in np.asarray(given).ravel()]
        if unknown := next((word for word in words if word not in names), None):
            raise InputError(f"y holds {unknown!r}; {nearest(unknown, names)}")
        given = np.array([names.index(word) for word in words]).reshape(np.shape(given))
    found = numbers("y", given)
    if isinstance(found, Tracer):
        return found
    if found.shape != (n,):
        raise InputError(f"y has shape {found.shape}; expected [{n}], one label for each.")
    wrong = (found < 0) | (found >= classes) | (found != np.round(found))
    if wrong.any():
        raise InputError(f"y holds {found[wrong][0]}; expected whole numbers from 0 to {classes - 1}.")
    return jnp.asarray(found.astype(np.int32))


def one_of(x: Any) -> Any:
    """One example with the axis `[n]` before it."""
    return x[None] if isinstance(x, jax.Array | np.ndarray) else [x]


def whole(name: str, given: Any, least: int, most: int | None = None) -> int:
    """A whole number.

    Args:
      name: what it is called in the message.
      given: the number.
      least: the smallest that is allowed.
      most: the largest, if there is one.

    Raises:
      InputError: something else, or out of range.
    """
    expected = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"
    try:
        found = operator.index(given)
    except TypeError:
        raise InputError(f"{name} is {given!r}; expected {expected}.") from None
    if found < least or (most is not None and found > most):
        raise InputError(f"{name} is {found}; expected {expected}.")
    return found


def key_of(seed: Any) -> Array:
    """The key of a seed.

    Raises:
      InputError: not a whole number from 0 to 2^32 − 1.
    """
    return jax.random.key(whole("seed", seed, 0, SEEDS - 1))


def expect_shape(name: str, shape: tuple[int, ...], one: tuple[int, ...]) -> None:
    """Fail unless a shape is that of at least one example, with the axis `[n]` before it.

    Args:
      name: what has the shape.
      shape: `(n, *one)`.
      one: the shape of an example.

    Raises:
      InputError: it has another shape, or n is 0.
    """
    if shape[1:] != tuple(one) or len(shape) != len(one) + 1:
        expected = ", ".join(["n", *map(str, one)])
        raise InputError(f"{name} has shape {shape}; expected [{expected}] for this model.")
    if shape[0] == 0:
        raise InputError(f"{name} holds no example; expected at least one.")
