"""The mutual information gap of Chen et al., from the densities of single latents over the whole data set."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.distributions.base import LOG_2PI
from vae_jax.distributions.continuous import Normal
from vae_jax.evaluation.metrics.score import SCORES, Representation

SAMPLES = 1000  # codes


@SCORES.register("mig_chen", slow=True)
def mutual_information_gap_of_samples(random: np.random.RandomState, representation: Representation) -> float:
    """MIG as Chen et al. estimate it: for z ~ q(z|x) over the whole grid.

    mean over factors of (I₁ − I₂)/H(v), I(z_j; v_k) = E[log q(z_j|v_k) − log q(z_j)]. It differs from `mig`, which bins
    posterior means: the two are not comparable. On dSprites and `sprites` the shape is left out, as in the paper; other
    data sets say which factors they leave out. NaN for a code without a density.

    Reference: Chen et al., *Isolating sources of disentanglement in VAEs*, 2018. They estimate the entropies of q(z_j)
    and q(z_j|v_k) each from samples of its own; here both densities are taken at the same 1,000 codes, whose
    differences vary far less.
    """
    if representation.posterior is None:
        return float("nan")
    values = information_of_latents(representation.posterior, representation.sizes, random=random)
    information = np.sort(values, axis=0)
    second = information[-2] if len(information) > 1 else 0.0
    gaps = dict(zip(representation.names, (information[-1] - second) / np.log(representation.sizes), strict=True))
    return float(np.mean([gap for name, gap in gaps.items() if name not in representation.aside]))


def information_of_latents(
    posterior: Normal, sizes: tuple[int, ...], *, random: np.random.RandomState, samples: int = SAMPLES
) -> np.ndarray:
    """I(z_j; v_k) in nats, `[latent, factors]`, z_j ~ q(z_j) = mean over the grid of q(z_j|x).

    The mean of log q(z_j|v_k) − log q(z_j) over codes drawn from the grid: unbiased, whatever the widths of the
    posteriors. Its standard error is that of the difference, at most about 1/√samples nats.

    Args:
      posterior: leaves `[count, latent]` in the order of the grid.
      sizes: how many values each factor has.
      random: NumPy's random state, for the choice of x and for z.
      samples: how many codes.
    """
    mean, log_var = (np.asarray(leaf, np.float32) for leaf in posterior)
    rows = random.randint(0, len(mean), samples)
    z = mean[rows] + np.exp(0.5 * log_var[rows]) * random.randn(samples, mean.shape[1]).astype(np.float32)
    copies = len(mean) // int(np.prod(sizes))
    values = np.stack(np.unravel_index(rows // copies, sizes), axis=1)
    shape = (*sizes, copies, mean.shape[1])
    grid = (jnp.asarray(leaf.reshape(shape)) for leaf in (mean, log_var))
    gains = np.asarray(_gains(*grid, jnp.asarray(z), jnp.asarray(values)), np.float64)
    return gains.mean(axis=0).T


@jax.jit
def _gains(mean: Array, log_var: Array, z: Array, values: Array) -> Array:
    """log q(z_j|v_k) − log q(z_j) of each code, `[samples, factors, latent]`."""
    factors = mean.ndim - 2
    axes = tuple(range(factors + 1))

    def at(code):
        z, values = code
        away = (jnp.expand_dims(z, axes) - mean) * jnp.exp(-0.5 * log_var)
        each = -0.5 * (jnp.square(away) + log_var + LOG_2PI)
        top = each.max(axis=axes)
        heights = jnp.exp(each - jnp.expand_dims(top, axes))  # 1 for the nearest posterior: the mean cannot underflow
        whole = jnp.log(heights.mean(axis=axes))

        def given(k):
            # The code's own posterior is among these. Relative to the nearest they may be tiny, so in logarithms.
            of_value = lax.dynamic_index_in_dim(each, values[k], axis=k, keepdims=False)
            count = of_value.size // of_value.shape[-1]
            rest = tuple(range(factors))
            return jax.nn.logsumexp(of_value, axis=rest) - jnp.log(count) - top

        return jnp.stack([given(k) - whole for k in range(factors)])

    return lax.map(at, (z, values))
