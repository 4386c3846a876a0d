"""Walks in the space of codes: along one latent, and from one code to another."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike


def moved(code: Array, latent: int, values: ArrayLike) -> Array:
    """A code with one latent set to each of several values: `[values, latent]`.

    Args:
      code: `[latent]`.
      latent: which latent, counted from 0.
      values: `[values]`.
    """
    values = jnp.asarray(values, jnp.float32)
    return jnp.tile(code, (len(values), 1)).at[:, latent].set(values)


def line(first: Array, last: Array, steps: int) -> Array:
    """Points on the line between two codes, both ends included: `[steps, latent]`.

    Args:
      first: `[latent]`.
      last: `[latent]`.
      steps: how many points.
    """
    shares = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return jnp.asarray((1 - shares) * np.asarray(first) + shares * np.asarray(last))
