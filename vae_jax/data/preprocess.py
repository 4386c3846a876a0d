"""From stored pixels to what a model sees: pure functions of (key, one example), run inside the training step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.base import Support, defined_on
from vae_jax.registry import Registry

Preprocess = Callable[[Array, Array], Array]

PREPROCESS: Registry[Preprocess, []] = Registry("preprocessing", "vae_jax.data")


@PREPROCESS.register("grey")
def grey(key: Array, x: Array) -> Array:
    """uint8 0..255 to float32 in [0, 1], bool to 0 and 1; floats stay as they are."""
    del key
    if x.dtype == jnp.bool_:
        return x.astype(jnp.float32)
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


@PREPROCESS.register("dynamic")
@defined_on(Support.UNIT_INTERVAL)
def dynamic(key: Array, x: Array) -> Array:
    """A fresh Bernoulli draw of every pixel each time it is seen, with its grey value as the probability."""
    return jax.random.bernoulli(key, grey(key, x)).astype(jnp.float32)


@PREPROCESS.register("static")
@defined_on(Support.UNIT_INTERVAL)
def static(key: Array, x: Array) -> Array:
    """The same binary image every time: 1 where the grey value is at least ½.

    Larochelle's fixed binarisation instead drew each pixel once; it is a data set of its own, `binarized_mnist`.
    """
    return (grey(key, x) >= 0.5).astype(jnp.float32)
