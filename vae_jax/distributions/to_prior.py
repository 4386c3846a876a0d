"""The KL of a posterior to the prior, in closed form where there is one, and log p(z)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.distributions.base import LOG_2PI, Distribution, has_density, shape_of, total, upcast
from vae_jax.distributions.continuous import StandardNormal


def kl_to_prior(posterior: Distribution, prior: Distribution | None, z: Array, log_q: Array | None = None) -> Array:
    """KL(q(z|x) ‖ p(z)) of one example: in closed form where there is one, else a one-sample estimate.

    A posterior that can do better has a method `kl_to(prior, z)`, which returns `[parts]`, or None without a closed
    form. This package's `Normal` has one to `StandardNormal` and `Normal`. Every other pair of distributions, including
    other libraries' normals, gets the estimate, which can be negative.

    Args:
      posterior: q(z|x), a distribution over `[latent]`.
      prior: p(z); `None` is N(0, I).
      z: `[latent]`, a sample of the posterior, used only by the estimate log q(z|x) − log p(z).
      log_q: log q(z|x), if it is already known from drawing z.

    Returns:
      The KL in nats, `[parts]`, which is `[latent]` where it splits over the latents, else `[1]`. NaN for a point,
      which has none.

    Raises:
      ValueError: the prior is over another number of latents than z.

    >>> from vae_jax import Normal
    >>> q = Normal(jnp.ones(2), jnp.zeros(2))
    >>> kl_to_prior(q, None, q.mean).tolist()
    [0.5, 0.5]
    """
    own = getattr(posterior, "kl_to", None)
    if not has_density(posterior) and own is None:
        undefined: Any = np.full(jnp.shape(z), np.nan, np.float32)  # NumPy's: eagerly, `jax.debug_nans` ignores it
        return undefined
    if prior is not None and shape_of(prior) not in (jnp.shape(z), ()):
        raise ValueError(f"the prior is over {shape_of(prior)}, and the code z is {jnp.shape(z)}; expected one shape.")
    closed = None if own is None else own(prior, z)
    if closed is not None:
        return closed
    log_q = upcast(posterior.log_prob(z) if log_q is None else log_q)
    # Other libraries return a value per latent unless told otherwise; then the prior is kept per latent too.
    if log_q.shape == jnp.shape(z) and (prior is None or isinstance(prior, StandardNormal)):
        return log_q + 0.5 * (jnp.square(upcast(z)) + LOG_2PI)
    return jnp.reshape(jnp.sum(log_q) - log_prior(prior, z), (1,))


def log_prior(prior: Distribution | None, z: Array) -> Array:
    """log p(z) of one code, `[]` in nats; `None` is N(0, I), and a scalar distribution holds for every latent."""
    if prior is None:
        prior = StandardNormal(z.size)
    elif shape_of(prior) == ():
        return total(jax.vmap(prior.log_prob)(z))
    return total(prior.log_prob(z))
