"""From stored pixels to what a model sees: pure functions of (key, one example), run inside the training step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.table import Table

Preprocess = Callable[[Array, Array], Array]

PREPROCESS: Table[Preprocess] = Table("preprocessing", "vae_jax.data")


def register(function: Preprocess) -> Preprocess:
    """Register the decorated function in `PREPROCESS` under its own name."""
    PREPROCESS.add(getattr(function, "__name__", repr(function)), function)
    return function


@register
def grey(key: Array, x: Array) -> Array:
    """uint8 0..255 to float32 in [0, 1]; floats stay as they are."""
    del key
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


@register
def dynamic(key: Array, x: Array) -> Array:
    """A fresh Bernoulli draw of every pixel each time it is seen, with its grey value as the probability."""
    return jax.random.bernoulli(key, grey(key, x)).astype(jnp.float32)


@register
def static(key: Array, x: Array) -> Array:
    """The same binary image every time: 1 where the grey value is at least ½.

    Larochelle's fixed binarisation drew each pixel once instead; it is a data set of its own, `binarized_mnist`.
    """
    return (grey(key, x) >= 0.5).astype(jnp.float32)
