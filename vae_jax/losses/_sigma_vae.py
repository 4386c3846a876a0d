"""σ-VAE: the Gaussian likelihood at the σ that fits best, with no σ to choose."""

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.distributions.base import LOG_2PI
from vae_jax.distributions.continuous import squared_error_of
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.loss import LOSSES


@LOSSES.register("sigma-vae", likelihood="gaussian-optimal", fixed_likelihood=True, fixed=("smallest_log_var",))
@per_batch
def sigma_vae(
    batch: Batch,
    *,
    beta: ArrayLike = 1.0,
    smallest_log_var: float = 2.0 * math.log(0.01),
    axis_name: str | None = None,
) -> Array:
    """Optimal σ-VAE: the Gaussian likelihood at the batch's best σ, so that no σ is set or learned.

    (d/2) [ln 2π + 1 + ln MSE] + β mean(KL),  MSE = mean over the batch of ‖x − μ(z)‖²/d = the best σ²

    The squared error is recovered from the likelihood in `terms`, N(μ(z), σ²) with one σ: that of `decoded`, or 1
    without it. In a run it is `gaussian-optimal`, whose σ follows the training batches, so that the distortion,
    log p(x) and bits that are reported are at a σ that fits.

    A learned σ gives the same loss at its optimum. The best σ of a batch is below that of the data, so the loss is
    biased low, by an amount that vanishes as batch·d grows. σ² has a floor at which it stays fixed, so that exact
    reconstructions do not cost −∞. Recovered from float32, the MSE is good to about 1e-7: near the floor of 1e-4 the
    loss may be off by a nat at 784 pixels, its gradient by less than a percent.

    Args:
      batch: under a Gaussian likelihood with one σ; with `pixels`, which is d, the numbers in an example.
      beta: weight of the KL, ≥ 0.
      smallest_log_var: the floor of log σ²; by default σ = 0.01, two and a half of 255 grey levels.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Raises:
      ValueError: a batch without its number of pixels, or point codes.

    Reference: Rybkin, Daniilidis & Levine, *Simple and effective VAE training with calibrated decoders*, 2021
    (there too the best σ² is the MSE).

    >>> from vae_jax import Normal
    >>> from vae_jax.losses import Terms
    >>> log_likelihood = Normal(jnp.zeros(4), jnp.zeros(4)).log_prob(jnp.full(4, 0.5))  # MSE = 0.25
    >>> terms = Terms(log_likelihood[None], jnp.zeros((1, 2)), jnp.zeros((1, 2)), None)
    >>> round(float(sigma_vae(Batch(terms, pixels=4))), 3)  # 2 (ln 2π + 1 + ln 0.25)
    2.903
    """
    pixels, terms = batch.need_pixels(), batch.gathered(axis_name).need_density("the σ-VAE")
    log_var = getattr(terms.decoded, "log_var", None)
    log_var = jnp.zeros(()) if log_var is None else lax.stop_gradient(jnp.ravel(log_var)[0])
    error = squared_error_of(jnp.mean(terms.log_likelihood), log_var, pixels)
    floor = math.exp(smallest_log_var)
    best = jnp.log(jnp.maximum(error, floor)) + 1.0
    distortion = 0.5 * pixels * (LOG_2PI + jnp.where(error > floor, best, smallest_log_var + error / floor))
    return loss_of(distortion + beta * jnp.mean(terms.rate), axis_name)
