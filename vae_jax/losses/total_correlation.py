"""The aggregate posterior from a minibatch, and the losses that penalise its total correlation."""

from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.base import Distribution, upcast
from vae_jax.distributions.continuous import Normal
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.elbo import expect_density
from vae_jax.losses.loss import LOSSES

SAMPLING = ("stratified", "weighted")


def log_prob_per_latent(posterior: Any, z: Array) -> Array:
    """log q(z_j|x) of each latent, `[latent]`, for one example's factorised posterior.

    Args:
      posterior: our `Normal`, or another library's distribution that gives a value per latent, such as NumPyro's
        `Normal` without `to_event`.
      z: the code, `[latent]`.

    Raises:
      ValueError: the posterior gives one value for all latents, or is a point.
    """
    if isinstance(posterior, Normal):
        log_var = jnp.broadcast_to(posterior.log_var, jnp.shape(posterior.mean))
        return jax.vmap(lambda q, z: q.log_prob(z))(Normal(posterior.mean, log_var), z)
    expect_density(posterior, "the aggregate posterior")
    log_q = upcast(posterior.log_prob(z))
    if log_q.shape != z.shape:
        raise ValueError(
            f"q(z|x) must give a log-probability per latent, {z.shape}; got {log_q.shape}. "
            "Return it without to_event or Independent."
        )
    return log_q


class AggregateDensity(NamedTuple):
    """Densities of the codes of a batch, in nats.

    Attributes:
      conditional: log q(z_i|x_i), `[batch]`.
      joint: log q(z_i), `[batch]`.
      marginals: log q(z_ij), `[batch, latent]`.
    """

    conditional: Array
    joint: Array
    marginals: Array

    @property
    def mutual_information(self) -> Array:
        """Mutual information of x and z: log q(z|x) − log q(z), `[batch]`."""
        return self.conditional - self.joint

    @property
    def total_correlation(self) -> Array:
        """Total correlation of the latents: log q(z) − Σ_j log q(z_j), `[batch]`."""
        return self.joint - jnp.sum(self.marginals, axis=-1)


def aggregate_density(
    z: Array, posterior: Distribution, *, data_size: ArrayLike, sampling: str = "stratified"
) -> AggregateDensity:
    """log q(z) and log q(z_j) of codes, with q(z) the mean of q(z|x) over the **data set**, from the batch alone.

    log q(z_i) ≈ log Σ_k w_ik q(z_i|x_k), and the same for each latent, with one of

    - `stratified`: w_ii = 1/N, the rest (N − 1)/(N(M − 1)). Unbiased for q(z), and exact where the batch is the data.
    - `weighted`: all 1/(N·M). The log of a lower bound in expectation: too small by up to ln N.

    N is the size of the data set, M that of the batch. Both give log q(z) a bias that falls slowly with M: use it as a
    penalty in training, not as a quantity to report.

    Args:
      z: `[batch, latent]`, with z_i drawn from q(z|x_i).
      posterior: q(z|x) of each example, leaves `[batch, latent]`; factorised over latents.
      data_size: N, at least the batch size.
      sampling: `stratified` or `weighted`; static.

    Returns:
      The log-densities of each code, in nats.

    Raises:
      ValueError: an unknown sampling, a data set smaller than the batch, or one example with `stratified`, which
        compares each code with other examples' posteriors.

    Reference: Chen et al., *Isolating sources of disentanglement in VAEs*, 2018; the stratified
    weights are theirs averaged over which of the other examples comes last.

    >>> from vae_jax import Normal
    >>> q = Normal(jnp.array([[-50.0], [50.0]]), jnp.zeros((2, 1)))  # each code identifies its x
    >>> density = aggregate_density(q.mean, q, data_size=2)
    >>> density.mutual_information.tolist()  # ln 2
    [0.6931..., 0.6931...]
    """
    batch = z.shape[0]
    if sampling not in SAMPLING:
        raise ValueError(f"sampling must be one of {', '.join(SAMPLING)}; got {sampling!r}.")
    if not isinstance(data_size, jax.core.Tracer) and np.asarray(data_size) < batch:
        raise ValueError(f"data_size counts the whole data set, at least the batch of {batch}; got {data_size}.")
    if sampling == "stratified" and batch < 2:
        raise ValueError("stratified sampling needs a batch of at least 2 examples; got 1. Use sampling='weighted'.")
    pairs = jax.vmap(jax.vmap(log_prob_per_latent, (0, None)), (None, 0))(posterior, z)  # [code, posterior, latent]
    own = jnp.eye(batch, dtype=bool)
    if sampling == "stratified":
        others = jnp.log((data_size - 1) / (batch - 1)) - jnp.log(data_size)
        log_weights = jnp.where(own, -jnp.log(data_size), others)
    else:
        log_weights = jnp.broadcast_to(-jnp.log(data_size) - jnp.log(batch), own.shape)
    joint = jax.nn.logsumexp(log_weights + pairs.sum(axis=-1), axis=1)
    marginals = jax.nn.logsumexp(log_weights[..., None] + pairs, axis=1)
    return AggregateDensity(jnp.sum(jnp.where(own[..., None], pairs, 0.0), axis=(1, 2)), joint, marginals)


@LOSSES.register("beta-tc", smallest_batch=2)
@per_batch
def beta_tc(
    batch: Batch,
    *,
    alpha: ArrayLike = 1.0,
    beta: ArrayLike = 6.0,
    gamma: ArrayLike = 1.0,
    sampling: str = "stratified",
    axis_name: str | None = None,
) -> Array:
    """β-TCVAE: the KL in three parts, of which the total correlation is weighted by β.

    mean(−log p(x|z)) + α I(x; z) + β TC(z) + γ Σ_j KL(q(z_j) ‖ p(z_j))

    I = E log q(z|x) − log q(z) is the mutual information, TC = E log q(z) − Σ_j log q(z_j) the total correlation, and
    the last the dimension-wise KL, all from the minibatch (`aggregate_density` states the bias). They sum to the KL, so
    the loss is computed as −log p(x|z) + γ KL + (α − γ) I + (β − γ) TC, with the KL in closed form: α = β = γ = 1 is
    exactly the negative ELBO, and α = γ = 1 has one noisy term, not three.

    Args:
      batch: with `data_size`, N, the size of the data set; normal posteriors with leaves `[batch, latent]`.
      alpha: weight of the mutual information, ≥ 0.
      beta: weight of the total correlation, ≥ 0.
      gamma: weight of the dimension-wise KL, ≥ 0.
      sampling: `stratified` or `weighted`; static.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch in nats, `[]`.

    Raises:
      ValueError: as in `aggregate_density`; or a batch without `data_size`.

    Reference: Chen et al. 2018.

    >>> from vae_jax import Normal
    >>> from vae_jax.losses import Terms
    >>> q = Normal(jnp.array([[-50.0, -50.0], [50.0, 50.0]]), jnp.zeros((2, 2)))  # the latents are copies: TC = ln 2
    >>> terms = Terms(jnp.zeros(2), jnp.ones((2, 2)), q.mean, q)
    >>> round(float(beta_tc(Batch(terms, data_size=2), beta=6.0)), 3)  # KL of 2, and 5 ln 2
    5.466
    """
    batch = batch.gathered(axis_name)
    terms = batch.need_density("β-TCVAE")
    density = aggregate_density(terms.z, terms.posterior, data_size=batch.need_data_size(), sampling=sampling)
    information, correlation = density.mutual_information.mean(), density.total_correlation.mean()
    kl = jnp.mean(terms.distortion) + gamma * jnp.mean(terms.rate)
    weighed = jnp.subtract(alpha, gamma) * information + jnp.subtract(beta, gamma) * correlation
    return loss_of(kl + weighed, axis_name)


@LOSSES.register("beta-tc-weighted")
@per_batch
def beta_tc_weighted(
    batch: Batch,
    *,
    alpha: ArrayLike = 1.0,
    beta: ArrayLike = 6.0,
    gamma: ArrayLike = 1.0,
    axis_name: str | None = None,
) -> Array:
    """β-TCVAE with minibatch-weighted sampling: equal weights in q(z), whose log is too small by up to ln N.

    Arguments as in `beta_tc`.

    >>> from vae_jax import Normal
    >>> from vae_jax.losses import Terms
    >>> q = Normal(jnp.array([[-50.0, -50.0], [50.0, 50.0]]), jnp.zeros((2, 2)))  # as for `beta_tc`
    >>> terms = Terms(jnp.zeros(2), jnp.ones((2, 2)), q.mean, q)
    >>> round(float(beta_tc_weighted(Batch(terms, data_size=2), beta=6.0)), 3)  # weights 1/4, so TC = ln 4
    8.931
    """
    return beta_tc(batch, alpha=alpha, beta=beta, gamma=gamma, sampling="weighted", axis_name=axis_name)
