"""The codes of a data set: where they lie, how far their aggregate is from the prior, and a density fitted to them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Examples
from vae_jax.distributions.base import draw
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
        q = recipe.model.encode(params, recipe.preprocess(key, example.x), example.y)
        if not isinstance(q, Normal):
            return q
        return Normal(q.mean, jnp.broadcast_to(q.log_var, jnp.shape(q.mean)))  # a scalar is one for all latents

    keys = jax.random.split(use(key, "codes"), data.x.shape[0])
    return lax.map(one, (keys, recipe.labelled(data)), batch_size=CHUNK)


class PriorMatch(NamedTuple):
    """How the aggregate posterior q(z) = mean over x of q(z|x) compares with the prior.

    Attributes:
      mmd2: squared maximum mean discrepancy between samples of the two, RBF kernel, unbiased (so it can be negative).
      mmd2_critical: what it exceeds in one case of twenty where both are the prior, from the same statistic between two
        sets of samples of the prior, drawn again and again.
      samples: how many samples of each.
    """

    mmd2: float
    mmd2_critical: float
    samples: int


def prior_match(
    posterior: Any,
    key: Array,
    *,
    prior: Callable[[Array], Array] | None = None,
    samples: int = 1000,
    repeats: int = 39,
) -> PriorMatch:
    """Compare the aggregate posterior with the prior by samples of both, which sees clusters and correlations too.

    For the divergence of each latent, see `aggregate_posterior`.

    Args:
      posterior: that of a data set, as from `encode_all`.
      key: a typed key, for the samples.
      prior: a key -> z `[latent]`, a draw of the model's prior, as from `prior_of`; None is N(0, I).
      samples: how many from each distribution; x is drawn with replacement.
      repeats: how many draws give the critical value, the second largest of 39.

    Reference: Gretton et al., *A kernel two-sample test*, 2012.
    """
    statistic, critical = _compare(posterior, key, prior, samples, repeats)
    return PriorMatch(float(statistic), float(critical), samples)


def prior_of(recipe: Recipe, params: Params, data: Examples) -> Callable[[Array], Array] | None:
    """A draw of a model's own prior from a key, with the label of a random example where it is p(z|y).

    None for N(0, I), and for a loss that holds its codes to no prior.
    """
    if recipe.model.standard_prior or not recipe.loss.uses_prior:
        return None
    labels = recipe.labelled(data).y

    def one(key: Array) -> Array:
        key_label, key_code = jax.random.split(key)
        label = None if labels is None else jax.random.choice(key_label, jnp.asarray(labels))
        return draw(recipe.model.latent_prior(params, label), key_code)

    return one


@partial(jax.jit, static_argnums=(2, 3, 4))
def _compare(
    posterior: Any, key: Array, prior: Callable[[Array], Array] | None, samples: int, repeats: int
) -> tuple[Array, Array]:
    key_rows, key_codes, key_prior, key_critical = jax.random.split(use(key, "prior match"), 4)
    n = jax.tree.leaves(posterior)[0].shape[0]
    rows = jax.random.choice(key_rows, n, (samples,))
    codes = jax.vmap(draw)(jax.tree.map(lambda leaf: leaf[rows], posterior), jax.random.split(key_codes, samples))

    def of_prior(key, count):
        shape = (count, samples)
        if prior is None:
            return jax.random.normal(key, (*shape, codes.shape[1]))
        return jax.vmap(jax.vmap(prior))(jax.random.split(key, shape))

    critical = lax.map(lambda key: mmd2(*of_prior(key, 2)), jax.random.split(key_critical, repeats))
    return mmd2(codes, of_prior(key_prior, 1)[0]), critical_value(critical)


def critical_value(null: Array) -> Array:
    """What a new draw of the same law exceeds in one case of twenty, exactly so for 19, 39, 59, … draws `[n]`."""
    rank = -(-19 * (len(null) + 1) // 20)
    return jnp.sort(null)[min(rank, len(null)) - 1]


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
