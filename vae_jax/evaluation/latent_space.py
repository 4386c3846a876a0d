"""The codes of a data set: where they lie, how far their aggregate is from the prior, and a density fitted to them."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Examples
from vae_jax.distributions.base import LOG_2PI, draw
from vae_jax.distributions.continuous import Mixture, Normal
from vae_jax.evaluation.elbo import CHUNK
from vae_jax.keys import use
from vae_jax.losses.mmd_vae import mmd2
from vae_jax.models.vae import Params
from vae_jax.training.recipe import Recipe


@partial(jax.jit, static_argnums=0)
def encode_all(recipe: Recipe, params: Params, key: Array, data: Examples) -> Any:
    """q(z|x) of every example: a distribution whose leaves are `[n, latent]`."""

    def one(inputs):
        key, example = inputs
        return recipe.model.encode(params, recipe.preprocess(key, example.x), example.y)

    keys = jax.random.split(use(key, "codes"), data.x.shape[0])
    return lax.map(one, (keys, recipe.labelled(data)), batch_size=CHUNK)


class PriorMatch(NamedTuple):
    """How the aggregate posterior q(z) = mean over x of q(z|x) compares with N(0, I).

    Attributes:
      kl_per_latent: KL(q(z_j) ‖ N(0, 1)) in nats, `[latent]`; NaN where posteriors are not normal.
      mmd2: squared maximum mean discrepancy between samples of the two, RBF kernel, unbiased (so it can be negative).
      mmd2_chance: the 95th percentile of the same statistic between two sets of samples of N(0, I).
      samples: how many samples of each.
    """

    kl_per_latent: np.ndarray
    mmd2: float
    mmd2_chance: float
    samples: int


def prior_match(posterior: Any, key: Array, *, samples: int = 1000, repeats: int = 40) -> PriorMatch:
    """Compare the aggregate posterior with N(0, I), dimension by dimension and all together.

    The divergence of each latent is exact for the posteriors given, up to the quadrature (step 0.02 on [−10, 10]): the
    density of z_j is the mean of theirs. The two-sample statistic sees what single dimensions do not, such as clusters.

    Args:
      posterior: that of a data set, as from `encode_all`.
      key: a typed key, for the samples.
      samples: how many from each distribution; x is drawn with replacement.
      repeats: how many draws give the chance level.

    Reference: Gretton et al., *A kernel two-sample test*, 2012, eq. 3.
    """
    kl, statistic, chance = _compare(posterior, key, samples, repeats)
    return PriorMatch(np.asarray(kl), float(statistic), float(chance), samples)


@partial(jax.jit, static_argnums=(2, 3))
def _compare(posterior: Any, key: Array, samples: int, repeats: int) -> tuple[Array, Array, Array]:
    key_rows, key_codes, key_prior, key_chance = jax.random.split(use(key, "prior match"), 4)
    n, latent = posterior.mean.shape
    rows = jax.random.choice(key_rows, n, (samples,))
    codes = jax.vmap(draw)(jax.tree.map(lambda leaf: leaf[rows], posterior), jax.random.split(key_codes, samples))
    chance = lax.map(
        lambda key: mmd2(*jax.random.normal(key, (2, samples, latent))), jax.random.split(key_chance, repeats)
    )
    kl = _marginal_kl(posterior) if isinstance(posterior, Normal) else jnp.full(latent, jnp.nan)
    return kl, mmd2(codes, jax.random.normal(key_prior, (samples, latent))), jnp.quantile(chance, 0.95)


def fit_code_mixture(codes: np.ndarray, *, components: int = 20, seed: int = 0) -> Mixture:
    """A mixture of diagonal normals fitted to codes `[n, latent]`, to sample from instead of the prior.

    scikit-learn's expectation-maximisation. An autoencoder has no prior: this density is fitted to its codes
    afterwards (Ghosh et al., *From variational to deterministic autoencoders*, 2020).
    """
    from sklearn.mixture import GaussianMixture

    components = min(components, len(codes))
    fitted: Any = GaussianMixture(components, covariance_type="diag", random_state=seed, reg_covar=1e-5).fit(
        np.asarray(codes)
    )
    means, covariances = np.asarray(fitted.means_), np.asarray(fitted.covariances_)
    parts = np.log(fitted.weights_), means, np.log(covariances)
    return Mixture(*(jnp.asarray(part, jnp.float32) for part in parts))


def _marginal_kl(posterior: Normal) -> Array:
    grid = jnp.arange(-10.0, 10.01, 0.02)

    def log_density(z):  # [latent], of the mean of the posteriors' marginals at z
        squares = jnp.square(z - posterior.mean) * jnp.exp(-posterior.log_var)
        return jax.nn.logsumexp(-0.5 * (squares + posterior.log_var + LOG_2PI), axis=0) - jnp.log(len(posterior.mean))

    log_q = lax.map(log_density, grid)
    log_p = -0.5 * (jnp.square(grid) + LOG_2PI)[:, None]
    return jnp.sum(jnp.exp(log_q) * (log_q - log_p), axis=0) * 0.02
