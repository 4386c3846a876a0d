"""The aggregate posterior of a whole data set, and the terms that the KL to the prior consists of."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.distributions.continuous import Normal, StandardNormal
from vae_jax.evaluation.rate_distortion import mean_and_error
from vae_jax.keys import use
from vae_jax.losses.total_correlation import aggregate_density
from vae_jax.progress import in_parts

ROWS, COLUMNS = 64, 2048  # codes and posteriors that are compared at a time
CALL = 640  # codes per call of the compiled program, between two updates of progress


class AggregateTerms(NamedTuple):
    """Means over sampled codes, in nats, each with its standard error: `(mean, error)`.

    Attributes:
      mutual_information: that of x and z under q, at most ln N for every single code.
      total_correlation: KL(q(z) ‖ Π_j q(z_j)).
      dimension_wise_kl: Σ_j KL(q(z_j) ‖ N(0, 1)).
      rate: their sum, the mean of log q(z|x) − log p(z) over the same codes.
      kl_per_latent: KL(q(z_j) ‖ N(0, 1)), `[latent]`; the estimate of a small one may be negative.
      kl_per_latent_error: their standard errors, `[latent]`.
      samples: how many codes.
      data_size: N, how many posteriors.
    """

    mutual_information: tuple[float, float]
    total_correlation: tuple[float, float]
    dimension_wise_kl: tuple[float, float]
    rate: tuple[float, float]
    kl_per_latent: np.ndarray
    kl_per_latent_error: np.ndarray
    samples: int
    data_size: int


def aggregate_posterior(
    key: Array, posterior: Normal, *, num_samples: int = 10_000, progress: bool = True
) -> AggregateTerms:
    """KL(q(z|x) ‖ N(0, I)), averaged over the data, as mutual information + total correlation + dimension-wise KL.

    q(z) = (1/N) Σ_n q(z|x_n) over **all** posteriors given, by log-sum-exp in chunks, without the bias of estimates
    from minibatches. The min(`num_samples`, N) codes come from different x; their number affects only the standard
    error.

    Args:
      key: a typed key, for the choice of x and for z.
      posterior: normal, leaves `[N, latent]`, of the whole data set, as `encode_all(…).posterior`.
      num_samples: how many codes to draw.
      progress: whether to show a bar if it takes longer than two seconds.

    Raises:
      ValueError: posteriors that are not normal, or not `[N, latent]`.

    References: Hoffman & Johnson, *ELBO surgery*, 2016; Chen et al. 2018.
    """
    if not isinstance(posterior, Normal):
        raise ValueError(f"the aggregate posterior needs normal posteriors; got {type(posterior).__name__}.")
    mean, log_var = jnp.asarray(posterior.mean), jnp.asarray(posterior.log_var)
    if mean.ndim != 2 or log_var.shape != mean.shape:
        raise ValueError(f"expected mean and log_var of shape [N, latent]; got {mean.shape} and {log_var.shape}.")
    n = len(mean)
    key_rows, key_noise = jax.random.split(use(key, "aggregate posterior"))
    rows = jax.random.permutation(key_rows, n)[:num_samples]
    z = mean[rows] + jnp.exp(0.5 * log_var[rows]) * jax.random.normal(key_noise, (len(rows), mean.shape[1]))
    conditional = Normal(mean[rows], log_var[rows]).log_prob_per_dimension(z).sum(axis=1)
    joint, marginals = _all_codes(z, mean, log_var, progress)
    conditional, joint, marginals = (np.asarray(a, np.float64) for a in (conditional, joint, marginals))
    prior = np.asarray(StandardNormal(z.shape[1]).log_prob_per_dimension(z), np.float64)
    return AggregateTerms(
        mean_and_error(conditional - joint),
        mean_and_error(joint - marginals.sum(axis=1)),
        mean_and_error((marginals - prior).sum(axis=1)),
        mean_and_error(conditional - prior.sum(axis=1)),
        (marginals - prior).mean(axis=0),
        (marginals - prior).std(axis=0, ddof=1) / np.sqrt(len(rows)),
        len(rows),
        n,
    )


def minibatch_estimates(
    key: Array, posterior: Normal, *, batch: int = 64, batches: int = 200, sampling: str = "stratified"
) -> dict[str, tuple[float, float]]:
    """The same three terms as training losses estimate them, from minibatches: for comparison, not for reporting.

    Args:
      key: a typed key.
      posterior: as for `aggregate_posterior`.
      batch: M, how many posteriors make up q(z).
      batches: how many such estimates.
      sampling: `stratified` or `weighted`; see `losses.aggregate_density`.

    Returns:
      `mutual_information`, `total_correlation` and `dimension_wise_kl`: the mean over batches and its standard error,
      in nats; the error says nothing about the bias.

    Raises:
      ValueError: another `sampling`; a batch larger than the data set; or one of a single example with `stratified`.
    """
    posterior = jax.tree.map(jnp.asarray, posterior)
    estimates = np.asarray(_minibatches(posterior, use(key, "minibatches"), batch, batches, sampling), np.float64)
    names = ("mutual_information", "total_correlation", "dimension_wise_kl")
    return {name: mean_and_error(values) for name, values in zip(names, estimates.T, strict=True)}


@partial(jax.jit, static_argnums=(2, 3, 4))
def _minibatches(posterior: Normal, key: Array, batch: int, batches: int, sampling: str) -> Array:
    """The three terms of each batch, `[batches, 3]`."""
    n = len(posterior.mean)

    def one(index):
        key_rows, key_noise = jax.random.split(jax.random.fold_in(key, index))
        rows = jax.random.permutation(key_rows, n)[:batch]
        part = jax.tree.map(lambda leaf: leaf[rows], posterior)
        z = part.mean + jnp.exp(0.5 * part.log_var) * jax.random.normal(key_noise, part.mean.shape)
        density = aggregate_density(z, part, data_size=n, sampling=sampling)
        dimension_wise = jnp.sum(density.marginals - StandardNormal(z.shape[1]).log_prob_per_dimension(z), axis=1)
        return jnp.stack([density.mutual_information, density.total_correlation, dimension_wise]).mean(axis=1)

    return lax.map(one, jnp.arange(batches))


def _all_codes(z: Array, mean: Array, log_var: Array, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """`_log_aggregate` of all codes, part by part."""
    n, densities = len(z), []
    for rows in in_parts(n, CALL, doing="aggregate posterior", unit="code", progress=progress):
        densities.append([np.asarray(a) for a in _log_aggregate(z[rows], mean, log_var)])
    joint, marginals = (np.concatenate(parts)[:n] for parts in zip(*densities, strict=True))
    return joint, marginals


@jax.jit
def _log_aggregate(z: Array, mean: Array, log_var: Array) -> tuple[Array, Array]:
    """log q(z) `[samples]` and log q(z_j) `[samples, latent]`."""
    n, latent = mean.shape
    chunks = -(-n // COLUMNS)
    padded = [jnp.pad(a, ((0, chunks * COLUMNS - n), (0, 0))).reshape(chunks, COLUMNS, latent) for a in (mean, log_var)]
    real = (jnp.arange(chunks * COLUMNS) < n).reshape(chunks, COLUMNS)

    def one(z):  # [latent]
        def body(sums, chunk):
            mean, log_var, real = chunk
            each = jnp.where(real[:, None], Normal(mean, log_var).log_prob_per_dimension(z[None]), -jnp.inf)
            return (
                jnp.logaddexp(sums[0], jax.nn.logsumexp(each.sum(axis=1))),
                jnp.logaddexp(sums[1], jax.nn.logsumexp(each, axis=0)),
            ), None

        start = jnp.full((), -jnp.inf), jnp.full(latent, -jnp.inf)
        return lax.scan(body, start, (*padded, real))[0]

    joint, marginals = lax.map(one, z, batch_size=ROWS)
    return joint - jnp.log(n), marginals - jnp.log(n)
