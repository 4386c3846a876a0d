"""The KL held at a value, or free below one: functions of the terms of a batch."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import upcast
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.loss import LOSSES, Ramp


@LOSSES.register("capacity", ramps={"capacity": Ramp(1000.0)})
@per_batch
def capacity(
    batch: Batch, *, gamma: ArrayLike = 100.0, capacity: ArrayLike = 25.0, axis_name: str | None = None
) -> Array:
    """Capacity-controlled β-VAE: the mean KL is pulled to C nats, and C rises during training.

    mean(−log p(x|z)) + γ |mean(KL) − C|

    In training, C rises linearly from 0 over `capacity_steps` steps (100,000 in Locatello et al. 2019). At KL = C
    the loss is the distortion.

    Args:
      batch: only its terms are used.
      gamma: γ, ≥ 0; 1000 in the study of Locatello et al. 2019. 100 leaves more of Adam's step to the distortion.
      capacity: C in nats, ≥ 0.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Raises:
      ValueError: point codes, which have no KL.

    Reference: Burgess et al., *Understanding disentangling in β-VAE*, 2018, eq. 8.

    >>> from vae_jax.losses import Terms
    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.array([[20.0, 6.0], [20.0, 6.0]]), jnp.zeros((2, 2)), None)
    >>> float(capacity(Batch(terms), gamma=100.0, capacity=25.0))  # 85 + 100·|26 − 25|
    185.0
    """
    terms = batch.gathered(axis_name).need_density("capacity")
    return loss_of(jnp.mean(terms.distortion) + gamma * jnp.abs(jnp.mean(terms.rate) - capacity), axis_name)


@LOSSES.register("free-bits")
@per_batch
def free_bits(batch: Batch, *, free_nats: ArrayLike = 0.1, axis_name: str | None = None) -> Array:
    """Free bits: the KL of each latent is not penalised below a floor, so that none is given up early.

    mean(−log p(x|z)) + Σ_j max(mean(KL_j), λ)

    Where the KL does not split over the latents, as with a mixture prior, the floor of the whole is λ times the number
    of latents.

    Args:
      batch: only its terms are used; `kl` is `[batch, latent]`, or `[batch, 1]` where it does not split.
      free_nats: λ, nats per latent, ≥ 0. At 0 this is the negative ELBO.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Raises:
      ValueError: `free_nats` is not one number; or point codes, which have no KL.

    Reference: Kingma et al., *Improving variational inference with inverse autoregressive flow*, 2016, eq. 15.

    >>> from vae_jax.losses import Terms
    >>> terms = Terms(jnp.array([-80.0]), jnp.array([[3.0, 0.0]]), jnp.zeros((1, 2)), None)
    >>> float(free_bits(Batch(terms), free_nats=0.5))  # 80 + 3 + 0.5
    83.5
    """
    terms = batch.gathered(axis_name).need_density("free bits")
    kl = jnp.mean(upcast(terms.kl), axis=0)
    floor = free_nats * (terms.z.shape[1] / kl.size)
    if jnp.ndim(free_nats):
        raise ValueError(f"free_nats is one number, for each latent; got shape {jnp.shape(free_nats)}.")
    return loss_of(jnp.mean(terms.distortion) + jnp.sum(jnp.maximum(kl, floor)), axis_name)
