"""DIP-VAE: the covariance of the aggregate posterior pulled towards the identity."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import finite_exp, mean_of, over_batch, upcast, variance_of
from vae_jax.distributions.continuous import Normal
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.loss import LOSSES

MOMENTS = ("means", "codes")


@LOSSES.register("dip-i", smallest_batch=2)
@per_batch
def dip(
    batch: Batch,
    *,
    off_diagonal: ArrayLike = 10.0,
    diagonal: ArrayLike = 100.0,
    covariance: str = "means",
    axis_name: str | None = None,
) -> Array:
    """DIP-VAE-I: the covariance of the posterior means pulled towards the identity.

    mean(−log p(x|z) + KL) + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²

    Over the batch, C is Cov(μ(x)) for `covariance="means"` (DIP-VAE-I), or Cov(μ(x)) + mean(diag σ²(x)), the covariance
    of z itself, for `"codes"` (DIP-VAE-II). It is divided by the batch size n, not n − 1: low by a fraction 1/n.

    Args:
      batch: its posteriors, ours or another library's, need a mean and, for `"codes"`, a variance.
      off_diagonal: λ_od, ≥ 0.
      diagonal: λ_d, ≥ 0; usually 10 λ_od for DIP-VAE-I and λ_od for II.
      covariance: `means` or `codes`; static.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: an unknown `covariance`, point codes, or a batch of one example, which has no covariance.

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
    terms = batch.gathered(axis_name).need_density("DIP-VAE")
    mean = upcast(over_batch(mean_of, terms.posterior, terms.z.shape))
    if mean.shape[0] < 2:
        raise ValueError("DIP-VAE needs a batch of at least 2 examples; got 1, which has no covariance.")
    centred = mean - mean.mean(axis=0, keepdims=True)
    matrix = centred.T @ centred / mean.shape[0]
    if covariance == "codes":
        matrix += jnp.diag(over_batch(_variance, terms.posterior, terms.z.shape).mean(axis=0))
    own = jnp.eye(mean.shape[1], dtype=bool)
    penalty = off_diagonal * jnp.sum(jnp.where(own, 0.0, jnp.square(matrix)))
    penalty += diagonal * jnp.sum(jnp.square(jnp.diag(matrix) - 1.0))
    return loss_of(jnp.mean(terms.distortion + terms.rate) + penalty, axis_name)


@LOSSES.register("dip-ii", smallest_batch=2)
@per_batch
def dip_ii(
    batch: Batch, *, off_diagonal: ArrayLike = 10.0, diagonal: ArrayLike = 10.0, axis_name: str | None = None
) -> Array:
    """DIP-VAE-II: the covariance of the codes, noise included, pulled towards the identity.

    Arguments as in `dip`; the two weights are equal by default.

    >>> from vae_jax import Normal
    >>> from vae_jax.losses import Terms
    >>> q = Normal(jnp.zeros((2, 2)), jnp.zeros((2, 2)))  # N(0, I) for every x: the codes have covariance I
    >>> float(dip_ii(Batch(Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 2)), q.mean, q))))
    85.0
    """
    return dip(batch, off_diagonal=off_diagonal, diagonal=diagonal, covariance="codes", axis_name=axis_name)


dip_i = dip


def _variance(posterior: Any) -> Array:
    if not isinstance(posterior, Normal):
        return upcast(variance_of(posterior))
    # The square of e^80 overflows float32; linear from e^20 on, the gradient is still steep enough to pull back.
    return jnp.broadcast_to(finite_exp(upcast(posterior.log_var), linear_from=20.0), jnp.shape(posterior.mean))
