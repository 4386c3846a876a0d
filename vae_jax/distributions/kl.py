"""Kullback-Leibler divergences between diagonal normals, in nats, per dimension."""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import finite_exp, upcast


def _exp_minus_one_minus(x: Array) -> Array:
    """exp(x) − 1 − x without cancellation: a power series near 0, where even `expm1(x) − x` loses most digits."""
    near = jnp.abs(x) < 0.5
    inside = jnp.where(near, x, 0.0)
    series = jnp.zeros_like(x)
    for n in range(16, 1, -1):  # to double precision
        series = 1 / math.factorial(n) + inside * series
    outside = jnp.where(near, 1.0, x)
    small = jnp.minimum(outside, 20.0)
    far = jnp.where(outside < 20.0, jnp.expm1(small) - small, finite_exp(outside) - 1.0 - jnp.minimum(outside, 1e30))
    return jnp.where(near, jnp.square(inside) * series, far)


def kl_standard_normal(mean: ArrayLike, log_var: ArrayLike) -> Array:
    """KL(N(mean, e^log_var) ‖ N(0, 1)) of each dimension.

    ½ (mean² + e^log_var − log_var − 1)

    Never negative, accurate to float32's relative precision down to 0, and finite for |log_var| up to 6,000.

    Args:
      mean: `[latent]`, or any shape.
      log_var: log σ², the same shape.

    Returns:
      The divergence of each dimension in nats, of the inputs' shape; sum it for the divergence of the vector.

    Raises:
      ValueError: the shapes differ.

    Reference: Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, appendix B.

    >>> kl_standard_normal(jnp.array([0.0, 1.0]), jnp.zeros(2)).tolist()
    [0.0, 0.5]
    """
    mean, log_var = _same_shape("mean and log_var", mean, log_var)
    return 0.5 * (jnp.square(mean) + _exp_minus_one_minus(log_var))


def kl_normal(mean_q: ArrayLike, log_var_q: ArrayLike, mean_p: ArrayLike, log_var_p: ArrayLike) -> Array:
    """KL(N(mean_q, e^log_var_q) ‖ N(mean_p, e^log_var_p)) of each dimension.

    ½ [(mean_q − mean_p)² e^−log_var_p + e^d − d − 1],  d = log_var_q − log_var_p

    Args:
      mean_q: `[latent]`, or any shape.
      log_var_q: log σ² of q, the same shape.
      mean_p: the same shape.
      log_var_p: log σ² of p, the same shape.

    Returns:
      The divergence of each dimension in nats, of the inputs' shape.

    Raises:
      ValueError: the shapes differ.

    >>> kl_normal(jnp.ones(2), jnp.zeros(2), jnp.ones(2), jnp.zeros(2)).tolist()
    [0.0, 0.0]
    """
    names = "mean_q, log_var_q, mean_p and log_var_p"
    mean_q, log_var_q, mean_p, log_var_p = _same_shape(names, mean_q, log_var_q, mean_p, log_var_p)
    distance = jnp.square(mean_q - mean_p) * finite_exp(-log_var_p)
    return 0.5 * (distance + _exp_minus_one_minus(log_var_q - log_var_p))


def _same_shape(names: str, *arrays: ArrayLike) -> list[Array]:
    """The arrays in at least float32, checked to have one shape."""
    values = [upcast(array) for array in arrays]
    if len({array.shape for array in values}) > 1:
        shapes = " and ".join(str(array.shape) for array in values)
        raise ValueError(f"{names} must have one shape; got {shapes}. Broadcast them first.")
    return values
