"""Kullback-Leibler divergences between diagonal normals, in nats, per dimension."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import LOG_2PI, Distribution, finite_exp, has_density, shape_of, total, wide
from vae_jax.distributions.continuous import Normal, StandardNormal


def _exp_minus_one_minus(x: Array) -> Array:
    """exp(x) − 1 − x without cancellation: its series near 0, where even `expm1(x) − x` loses most digits."""
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


def kl_to_prior(posterior: Distribution, prior: Distribution | None, z: Array) -> Array:
    """KL(q(z|x) ‖ p(z)) of one example: closed form where there is one, else its one-sample estimate.

    The closed form is that of this package's `Normal` against `StandardNormal` or `Normal`; every other pair of
    distributions, other libraries' normals among them, gets the estimate, which can be negative.

    Args:
      posterior: q(z|x), a distribution over `[latent]`.
      prior: p(z); `None` is N(0, I).
      z: `[latent]`, a sample of the posterior, used only by the estimate log q(z|x) − log p(z).

    Returns:
      `[latent]` nats where the divergence splits over the latents, else `[1]`; NaN for a point, which has none.

    Raises:
      ValueError: a prior over another number of latents than z has.

    >>> q = Normal(jnp.ones(2), jnp.zeros(2))
    >>> kl_to_prior(q, None, q.mean).tolist()
    [0.5, 0.5]
    """
    if not has_density(posterior):
        undefined: Any = np.full(jnp.shape(z), np.nan, np.float32)  # NumPy's: to JAX it is no result that went wrong
        return undefined
    if prior is not None and shape_of(prior) not in (jnp.shape(z), ()):
        raise ValueError(f"the prior is over {shape_of(prior)}, and the code z is {jnp.shape(z)}; expected one shape.")
    if isinstance(posterior, Normal):
        log_var = jnp.broadcast_to(posterior.log_var, jnp.shape(posterior.mean))
        if prior is None or isinstance(prior, StandardNormal):
            return kl_standard_normal(posterior.mean, log_var)
        if isinstance(prior, Normal):
            return kl_normal(posterior.mean, log_var, *(jnp.broadcast_to(part, log_var.shape) for part in prior))
    log_q = wide(posterior.log_prob(z))
    # Other libraries return a value per latent unless told otherwise; then the prior is kept per latent too.
    if log_q.shape == jnp.shape(z) and (prior is None or isinstance(prior, StandardNormal)):
        return log_q + 0.5 * (jnp.square(wide(z)) + LOG_2PI)
    return jnp.reshape(jnp.sum(log_q) - log_prior(prior, z), (1,))


def log_prior(prior: Distribution | None, z: Array) -> Array:
    """log p(z) of one code, `[]` in nats; `None` is N(0, I), and a scalar distribution is that of every latent."""
    if prior is None:
        prior = StandardNormal(z.size)
    elif shape_of(prior) == ():
        return total(jax.vmap(prior.log_prob)(z))
    return total(prior.log_prob(z))


def _same_shape(names: str, *arrays: ArrayLike) -> list[Array]:
    """The arrays in float32 at least, all of one shape."""
    values = [wide(array) for array in arrays]
    if len({array.shape for array in values}) > 1:
        shapes = " and ".join(str(array.shape) for array in values)
        raise ValueError(f"{names} must have one shape; got {shapes}. Broadcast them first.")
    return values
