"""DIP-VAE: the covariance of the aggregate posterior pulled towards the identity."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions import finite_exp
from vae_jax.losses.elbo import Terms
from vae_jax.losses.table import register

MOMENTS = ("means", "codes")


@register("dip-i", batch=True, off_diagonal=10.0, diagonal=100.0)
def dip(
    terms: Terms, *, off_diagonal: ArrayLike = 10.0, diagonal: ArrayLike = 100.0, covariance: str = "means"
) -> Array:
    """DIP-VAE-I: the covariance of the posterior means pulled towards the identity.

    mean(−log p(x|z) + KL) + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²

    C is, over the batch, Cov(μ(x)) for `covariance="means"` (DIP-VAE-I), or Cov(μ(x)) + mean(diag σ²(x)), the
    covariance of z itself, for `"codes"` (DIP-VAE-II). Divided by the batch, not by one less: biased low by 1/batch.

    Args:
      terms: of a batch, `[batch]`; normal posteriors with leaves `[batch, latent]`.
      off_diagonal: λ_od, ≥ 0.
      diagonal: λ_d, ≥ 0; usually 10 λ_od for DIP-VAE-I and λ_od for II.
      covariance: `means` or `codes`; static.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: an unknown covariance, or one example, which has none.

    Reference: Kumar, Sattigeri & Balakrishnan, *Variational inference of disentangled latent concepts*, 2018, eqs. 6
    and 7.

    >>> from vae_jax.distributions import Normal
    >>> q = Normal(jnp.array([[1.0, 1.0], [-1.0, -1.0]]), jnp.full((2, 2), -100.0))  # C is all ones
    >>> float(dip(Terms(jnp.zeros(2), jnp.zeros((2, 1)), q.mean, q), off_diagonal=10.0))
    20.0
    """
    if covariance not in MOMENTS:
        raise ValueError(f"covariance must be one of {', '.join(MOMENTS)}; got {covariance!r}.")
    mean = terms.posterior.mean
    if mean.shape[0] < 2:
        raise ValueError("DIP-VAE needs a batch of at least 2 examples; got 1, which has no covariance.")
    centred = mean - mean.mean(axis=0, keepdims=True)
    found = centred.T @ centred / mean.shape[0]
    if covariance == "codes":
        found += jnp.diag(jnp.broadcast_to(_variance(terms.posterior), mean.shape).mean(axis=0))
    own = jnp.eye(mean.shape[1], dtype=bool)
    penalty = off_diagonal * jnp.sum(jnp.where(own, 0.0, jnp.square(found)))
    penalty += diagonal * jnp.sum(jnp.square(jnp.diag(found) - 1.0))
    return jnp.mean(terms.distortion + terms.rate) + penalty


@register("dip-ii", batch=True, off_diagonal=10.0, diagonal=10.0)
def dip_ii(terms: Terms, **hyper: Any) -> Array:
    """DIP-VAE-II: the covariance of the codes, noise and all, pulled towards the identity."""
    return dip(terms, covariance="codes", **hyper)


def _variance(posterior: Any) -> Array:
    # The square of e^80 overflows float32; a straight line from e^20 on is as steep a way back as anyone needs.
    return finite_exp(posterior.log_var, linear_from=20.0) if hasattr(posterior, "log_var") else posterior.variance
