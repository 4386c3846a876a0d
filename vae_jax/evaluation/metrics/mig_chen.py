"""The mutual information gap of Chen et al., from the densities of single latents over the whole data set."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.distributions.base import LOG_2PI
from vae_jax.distributions.continuous import Normal
from vae_jax.evaluation.metrics.table import Representation, register

POINTS = 1000  # of the quadrature, per latent


@register("mig_chen", slow=True)
def mutual_information_gap_of_samples(random: np.random.RandomState, representation: Representation) -> float:
    """MIG as Chen et al. estimate it: for z ~ q(z|x) over the whole grid, and all factors but the shape.

    mean over factors of (I₁ − I₂)/H(v), I(z_j; v_k) = H(z_j) − H(z_j|v_k). It differs from `mig`, which bins posterior
    means: the two are not comparable. NaN for a code without a density.

    Reference: Chen et al., *Isolating sources of disentanglement in VAEs*, 2018, eq. 6 and appendix B. They estimate
    the entropies from 10,000 samples; here they are integrals, the same quantities without the sampling error.
    """
    del random
    if representation.posterior is None:
        return float("nan")
    information = np.sort(information_of_latents(representation.posterior, representation.sizes), axis=0)
    second = information[-2] if len(information) > 1 else 0.0
    gaps = (information[-1] - second) / np.log(representation.sizes)
    return float(np.mean([gap for name, gap in zip(representation.names, gaps, strict=True) if name != "shape"]))


def information_of_latents(posterior: Normal, sizes: tuple[int, ...]) -> np.ndarray:
    """I(z_j; v_k) in nats, `[latent, factors]`, z_j ~ q(z_j) = mean over the grid of q(z_j|x).

    By quadrature of the densities of z_j, over all images and over those with each value of a factor, on 1,000 points
    that reach six standard deviations beyond the outermost posterior.

    Args:
      posterior: leaves `[count, latent]` in the order of the grid.
      sizes: how many values each factor has.
    """
    mean, log_var = (np.asarray(leaf) for leaf in (posterior.mean, posterior.log_var))
    reach = 6 * np.exp(0.5 * log_var)
    points = np.linspace((mean - reach).min(axis=0), (mean + reach).max(axis=0), POINTS, dtype=np.float32)
    shape = (*sizes, -1, mean.shape[1])
    whole, *given = _densities(*(jnp.asarray(a.reshape(shape)) for a in (mean, log_var)), jnp.asarray(points))
    step = points[1] - points[0]
    entropies = [_entropy(np.asarray(density, np.float64), step) for density in (whole, *given)]
    return np.stack([entropies[0] - conditional.mean(axis=0) for conditional in entropies[1:]], axis=1)


@jax.jit
def _densities(mean: Array, log_var: Array, points: Array) -> list[Array]:
    """q(z_j) at the points, `[points, latent]`, then q(z_j|v_k) of each factor, `[points, size, latent]`."""
    factors = mean.ndim - 2
    inverse, height = jnp.exp(-0.5 * log_var), jnp.exp(-0.5 * (log_var + LOG_2PI))

    def at(point):  # [latent]
        away = (jnp.expand_dims(point, range(factors + 1)) - mean) * inverse
        each = jnp.exp(-0.5 * jnp.square(away)) * height
        each = each.mean(axis=factors)  # over copies
        others = [tuple(axis for axis in range(factors) if axis != k) for k in range(factors)]
        return [each.mean(axis=axes) for axes in (tuple(range(factors)), *others)]

    return lax.map(at, points)


def _entropy(density: np.ndarray, step: np.ndarray) -> np.ndarray:
    """−∫ q ln q over the first axis, the points."""
    return -np.sum(density * np.log(np.maximum(density, 1e-300)), axis=0) * step
