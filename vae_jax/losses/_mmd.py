"""The aggregate posterior matched to the prior through samples: maximum mean discrepancy, InfoVAE and WAE."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from vae_jax.distributions.base import upcast
from vae_jax.hyperparameter import Hyperparameter
from vae_jax.losses._calls import per_batch
from vae_jax.losses.batch import Batch, loss_of
from vae_jax.losses.loss import LOSSES

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # from the authors' code; the paper has only 1
KERNELS = {
    "rbf": lambda squares: jnp.exp(-squares),
    "imq": lambda squares: sum(scale / (scale + squares) for scale in SCALES) / len(SCALES),
}


def mmd2(a: Array, b: Array, *, kernel: str = "rbf") -> Array:
    """Squared maximum mean discrepancy between two samples: 0 in expectation if and only if their distributions agree.

    mean_{i≠j} k(a_i, a_j) + mean_{i≠j} k(b_i, b_j) − 2 mean_{ij} k(a_i, b_j)

    With r² = ‖u − v‖²/(2·latent), which is 1 on average for two samples of N(0, I):

    - `rbf`: k(u, v) = exp(−r²);
    - `imq`, inverse multiquadratic: k(u, v) = mean over s = 0.1, 0.2, 0.5, 1, 2, 5, 10 of s/(s + r²).

    Unbiased, so it can be negative.

    Args:
      a: samples `[n, latent]`.
      b: samples `[m, latent]`.
      kernel: `rbf` or `imq`; static.

    Returns:
      `[]`, between −1 and 2.

    Raises:
      ValueError: an unknown kernel, fewer than 2 samples in either set, or sets of different dimensions.

    References: Gretton et al., *A kernel two-sample test*, 2012; Tolstikhin et al. 2018, section 4, for `imq`.

    >>> a, b = jnp.array([[0.0], [0.0]]), jnp.array([[1e3], [1e3]])
    >>> float(mmd2(a, b))  # identical within each set, unlike across
    2.0
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}; got {kernel!r}.")
    if jnp.ndim(a) != 2 or jnp.ndim(b) != 2 or jnp.shape(a)[1] != jnp.shape(b)[1]:
        raise ValueError(f"expected samples [n, latent] and [m, latent]; got {jnp.shape(a)} and {jnp.shape(b)}.")
    a, b, n, m = upcast(a), upcast(b), len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"the maximum mean discrepancy needs at least 2 samples of each law; got {n} and {m}.")

    def similarity(u, v):
        return KERNELS[kernel](_squared_distances(u, v) / (2 * u.shape[1]))

    def within(u):
        return jnp.sum(jnp.where(jnp.eye(len(u), dtype=bool), 0.0, similarity(u, u))) / (len(u) * (len(u) - 1))

    return within(a) + within(b) - 2 * similarity(a, b).mean()


def _squared_distances(u: Array, v: Array) -> Array:
    """`[n, latent]`, `[m, latent]` -> `[n, m]`, one latent at a time: on CPUs much faster than one sum over all."""

    def add(total, pair):
        return total + jnp.square(pair[0][:, None] - pair[1][None]), None

    first, _ = add(0.0, (u[:, 0], v[:, 0]))
    return lax.scan(add, first, (u[:, 1:].T, v[:, 1:].T))[0]


_ALPHA = Hyperparameter(least=float("-inf"), most=1.0)


@LOSSES.register("info-vae", ranges={"alpha": _ALPHA}, smallest_batch=2)
@per_batch
def info_vae(
    batch: Batch,
    *,
    alpha: ArrayLike = 0.0,
    weight: ArrayLike = 100.0,
    kernel: str = "rbf",
    axis_name: str | None = None,
) -> Array:
    """InfoVAE: the KL of each posterior traded against the discrepancy between their aggregate and the prior.

    mean(−log p(x|z) + (1 − α) KL(q(z|x) ‖ p(z))) + (α + λ − 1) MMD²(q(z), p(z))

    α = 0, λ = 1 is the negative ELBO; α = 1 is MMD-VAE, which does not penalise the information in a single code. The
    discrepancy is an unbiased estimate from the batch and not in nats, hence its large weight. Too large a weight
    collapses the posterior: the composition of the batch then outweighs x (1000 is too large on `digits`).

    Args:
      batch: with `prior_samples`; codes `[batch, latent]`.
      alpha: α ≤ 1; the KL is weighted by 1 − α.
      weight: λ; the discrepancy is weighted by α + λ − 1.
      kernel: `rbf` or `imq`; static.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: as in `mmd2`; a batch without prior samples; or point codes, which have no KL even at α = 1: use
        `wae_mmd` for those.

    Reference: Zhao, Song & Ermon, *InfoVAE*, 2019.

    >>> from vae_jax.losses import Terms
    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.full((2, 1), 5.0), jnp.zeros((2, 1)), None)
    >>> float(info_vae(Batch(terms, prior_samples=jnp.zeros((2, 1))), alpha=0.0, weight=100.0))  # MMD² is 0: 85 + 5
    90.0
    """
    batch = batch.gathered(axis_name)
    terms = batch.need_density("InfoVAE")
    rate = jnp.mean(terms.rate)
    loss = jnp.mean(terms.distortion) + (1 - alpha) * rate + (alpha + weight - 1) * _mmd2(batch, kernel)
    return loss_of(loss, axis_name)


@LOSSES.register("wae-mmd", posterior="point", point=True, likelihood="gaussian", smallest_batch=2)
@per_batch
def wae_mmd(batch: Batch, *, weight: ArrayLike = 700.0, kernel: str = "imq", axis_name: str | None = None) -> Array:
    """Wasserstein autoencoder (WAE-MMD): point codes, their aggregate matched to the prior.

    mean(−log p(x|z)) + λ MMD²(q(z), p(z))

    With the Gaussian likelihood the first term is half the paper's squared error plus a constant. The paper's λ = 10
    for MNIST is 700 here: its code takes 0.05 times the squared error, not 0.5, and sums the seven kernels rather than
    averaging them.

    Args:
      batch: with `prior_samples`; codes `[batch, latent]`, points or samples of a density.
      weight: λ ≥ 0.
      kernel: `rbf` or `imq`, which the paper prefers for its heavy tail; static.
      axis_name: a mapped axis that the batch is split over, as in `jax.lax.pmean`; the loss is that of the whole batch.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: as in `mmd2`; or a batch without prior samples.

    Reference: Tolstikhin et al., *Wasserstein auto-encoders*, 2018, eq. 4 and algorithm 2.

    >>> from vae_jax.losses import Terms
    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 1)), jnp.zeros((2, 1)), None)
    >>> float(wae_mmd(Batch(terms, prior_samples=jnp.zeros((2, 1)))))
    85.0
    """
    batch = batch.gathered(axis_name)
    return loss_of(jnp.mean(batch.terms.distortion) + weight * _mmd2(batch, kernel), axis_name)


def _mmd2(batch: Batch, kernel: str) -> Array:
    return mmd2(batch.terms.z, batch.need_prior_samples(), kernel=kernel)
