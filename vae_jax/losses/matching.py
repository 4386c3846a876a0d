"""The aggregate posterior matched to the prior by samples: maximum mean discrepancy, InfoVAE and WAE."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.losses.elbo import Terms
from vae_jax.losses.table import register

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the authors' code; the paper has 1 alone
KERNELS = {
    "rbf": lambda squares: jnp.exp(-squares),
    "imq": lambda squares: sum(scale / (scale + squares) for scale in SCALES) / len(SCALES),
}


def mmd2(a: Array, b: Array, *, kernel: str = "rbf") -> Array:
    """Squared maximum mean discrepancy between two sets of samples: 0 in expectation if and only if they share a law.

    mean_{i≠j} k(a_i, a_j) + mean_{i≠j} k(b_i, b_j) − 2 mean_{ij} k(a_i, b_j)

    With r² = ‖u − v‖²/(2·latent), which is 1 in the mean for two samples of N(0, I):

    - `rbf`: k(u, v) = exp(−r²);
    - `imq`, inverse multiquadratic: k(u, v) = mean over s = 0.1, 0.2, 0.5, 1, 2, 5, 10 of s/(s + r²).

    Unbiased, so it can be negative.

    Args:
      a: `[n, latent]`.
      b: `[m, latent]`.
      kernel: `rbf` or `imq`; static.

    Returns:
      `[]`, between −1 and 2.

    Raises:
      ValueError: an unknown kernel, or fewer than 2 samples in either set.

    References: Gretton et al., *A kernel two-sample test*, 2012, eq. 3; Tolstikhin et al. 2018, section 4, for `imq`.

    >>> a, b = jnp.array([[0.0], [0.0]]), jnp.array([[1e3], [1e3]])
    >>> float(mmd2(a, b))  # each set alike within, nothing alike across
    2.0
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}; got {kernel!r}.")
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"the maximum mean discrepancy needs at least 2 samples of each law; got {n} and {m}.")

    def similarity(u, v):
        return KERNELS[kernel](jnp.mean(jnp.square(u[:, None] - v[None]), axis=-1) / 2)

    def within(u):
        return jnp.sum(jnp.where(jnp.eye(len(u), dtype=bool), 0.0, similarity(u, u))) / (len(u) * (len(u) - 1))

    return within(a) + within(b) - 2 * similarity(a, b).mean()


@register("info-vae", batch=True, needs=("prior_samples",), alpha=0.0, weight=100.0)
def mmd(
    terms: Terms, *, prior_samples: Array, alpha: ArrayLike = 0.0, weight: ArrayLike = 100.0, kernel: str = "rbf"
) -> Array:
    """InfoVAE: the KL of each posterior traded against the discrepancy of their aggregate from the prior.

    mean(−log p(x|z) + (1 − α) KL(q(z|x) ‖ p(z))) + (α + λ − 1) MMD²(q(z), p(z))

    α = 0 and λ = 1 is the ELBO; α = 1 is MMD-VAE, which puts no price on the information in a single code. The
    discrepancy is unbiased from the batch; it is no divergence in nats, hence its large weight. Too large a one
    collapses the posterior: what the batch happens to be weighs more than what x is (1000 does, on `digits`).

    Args:
      terms: of a batch, `[batch]`, codes `[batch, latent]`.
      prior_samples: draws of p(z), `[m, latent]`, e.g. as many as the batch.
      alpha: α ≤ 1.
      weight: λ.
      kernel: `rbf` or `imq`; static.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: as `mmd2`.

    Reference: Zhao, Song & Ermon, *InfoVAE*, 2019, eq. 6.

    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.full((2, 1), 5.0), jnp.zeros((2, 1)), None)
    >>> float(mmd(terms, prior_samples=jnp.zeros((2, 1)), alpha=0.0, weight=100.0))  # the same law: 85 + 5
    90.0
    """
    rate = jnp.mean(terms.rate)
    return jnp.mean(terms.distortion) + (1 - alpha) * rate + (alpha + weight - 1) * _mmd2(terms, prior_samples, kernel)


@register("wae-mmd", batch=True, needs=("prior_samples",), posterior="point", likelihood="gaussian", weight=700.0)
def wasserstein(terms: Terms, *, prior_samples: Array, weight: ArrayLike = 700.0, kernel: str = "imq") -> Array:
    """Wasserstein autoencoder (WAE-MMD): points for codes, their aggregate held to the prior.

    mean(−log p(x|z)) + λ MMD²(q(z), p(z))

    With the Gaussian likelihood the first term is half the paper's squared error, and a constant. The paper's λ = 10
    for MNIST is 700 here: its code takes 0.05 of the squared error, not 0.5, and the sum over seven kernels, not the
    mean.

    Args:
      terms: of a batch, `[batch]`, codes `[batch, latent]`, of points or of a density.
      prior_samples: draws of p(z), `[m, latent]`.
      weight: λ ≥ 0.
      kernel: `rbf` or `imq`, which the paper prefers for its heavy tail; static.

    Returns:
      The loss of the batch, `[]`.

    Raises:
      ValueError: as `mmd2`.

    Reference: Tolstikhin et al., *Wasserstein auto-encoders*, 2018, eq. 4 and algorithm 2.

    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 1)), jnp.zeros((2, 1)), None)
    >>> float(wasserstein(terms, prior_samples=jnp.zeros((2, 1))))
    85.0
    """
    return jnp.mean(terms.distortion) + weight * _mmd2(terms, prior_samples, kernel)


def _mmd2(terms: Terms, prior_samples: Array, kernel: str) -> Array:
    return mmd2(terms.z, prior_samples, kernel=kernel)
