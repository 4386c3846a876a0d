"""Ways to corrupt an image: pure functions `(key, x, *, noise) -> x` of one example with pixels in [0, 1]."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import Support, defined_on


@defined_on(Support.REAL)
def gaussian_noise(key: Array, x: Array, *, noise: ArrayLike) -> Array:
    """x + noise·ε, ε ~ N(0, I). Not clipped: the linear denoising autoencoder's optimum assumes this.

    Args:
      key: a typed key.
      x: one example, `[*shape]`.
      noise: σ in units of x, ≥ 0.
    """
    return x + noise * jax.random.normal(key, x.shape, x.dtype)


def masking(key: Array, x: Array, *, noise: ArrayLike) -> Array:
    """Each pixel set to 0 with probability `noise`.

    Args:
      key: a typed key.
      x: one example, `[*shape]`.
      noise: from 0 to 1.
    """
    return jnp.where(jax.random.uniform(key, x.shape) < noise, 0.0, x)


@defined_on(Support.UNIT_INTERVAL)
def salt_and_pepper(key: Array, x: Array, *, noise: ArrayLike) -> Array:
    """Each pixel set to 0 or 1, with probability `noise`/2 for either.

    Args:
      key: a typed key.
      x: one example, `[*shape]`.
      noise: from 0 to 1.
    """
    u = jax.random.uniform(key, x.shape)
    return jnp.where(u < 0.5 * noise, 0.0, jnp.where(u < noise, 1.0, x))
