"""DIP-VAE: the covariance of the aggregate posterior pulled towards the identity."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import finite_exp
from vae_jax.losses.batch import Batch
from vae_jax.losses.table import register

MOMENTS = ("means", "codes")


@register("dip-i", hyper={"off_diagonal": 10.0, "diagonal": 100.0}, batch=True)
def dip(
    batch: Batch, *, off_diagonal: ArrayLike = 10.0, diagonal: ArrayLike = 100.0, covariance: str = "means"
) -> Array:
    """DIP-VAE-I: the covariance of the posterior means pulled towards the identity.

    mean(−log p(x|z) + KL) + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²

    C is, over the batch, Cov(μ(x)) for `covariance="means"` (DIP-VAE-I), or Cov(μ(x)) + mean(diag σ²(x)), the
    covariance of z itself, for `"codes"` (DIP-VAE-II). Divided by the batch size n, not n − 1: low by a fraction 1/n.

    Args:
      batch: with normal posteriors, leaves `[batch, latent]`.
      off_diagonal: λ_od, ≥ 0.
      diagonal: λ_d, ≥ 0; usually 10 λ_od for DIP-VAE-I and λ_od for II.
      covariance: `means` or `codes`; static.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: an unknown covariance, or a batch of one example, which has none.

    Reference: Kumar, Sattigeri & Balakrishnan, *Variational inference of disentangled latent concepts*, 2018, eqs. 6
    and 7.

    >>> from vae_jax import Normal
    >>> from vae_jax.losses import Terms
    >>> q = Normal(jnp.array([[1.0, 1.0], [-1.0, -1.0]]), jnp.full((2, 2), -100.0))  # C is all ones
    >>> float(dip(Batch(Terms(jnp.zeros(2), jnp.zeros((2, 1)), q.mean, q)), off_diagonal=10.0))
    20.0
    """
    if covariance not in MOMENTS:
        raise ValueError(f"covariance must be one of {', '.join(MOMENTS)}; got {covariance!r}.")
    terms = batch.terms
    mean = terms.posterior.mean
    if mean.shape[0] < 2:
        raise ValueError("DIP-VAE needs a batch of at least 2 examples; got 1, which has no covariance.")
    centred = mean - mean.mean(axis=0, keepdims=True)
    matrix = centred.T @ centred / mean.shape[0]
    if covariance == "codes":
        matrix += jnp.diag(jnp.broadcast_to(_variance(terms.posterior), mean.shape).mean(axis=0))
    own = jnp.eye(mean.shape[1], dtype=bool)
    penalty = off_diagonal * jnp.sum(jnp.where(own, 0.0, jnp.square(matrix)))
    penalty += diagonal * jnp.sum(jnp.square(jnp.diag(matrix) - 1.0))
    return jnp.mean(terms.distortion + terms.rate) + penalty


@register("dip-ii", hyper={"off_diagonal": 10.0, "diagonal": 10.0}, batch=True)
def dip_ii(batch: Batch, **hyper: Any) -> Array:
    """DIP-VAE-II: the covariance of the codes, noise included, pulled towards the identity."""
    return dip(batch, covariance="codes", **hyper)


def _variance(posterior: Any) -> Array:
    # The square of e^80 overflows float32; linear from e^20 on, the gradient back is steep enough.
    return finite_exp(posterior.log_var, linear_from=20.0) if hasattr(posterior, "log_var") else posterior.variance
