"""The codes of a data set: where they lie, how far their aggregate is from the prior, and a density fitted to them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import Distribution, draw, draw_weighed, has_density, mean_of, variance_of
from vae_jax.distributions.continuous import Mixture, Normal
from vae_jax.distributions.points import Delta
from vae_jax.distributions.to_prior import kl_to_prior
from vae_jax.evaluation.rate_distortion import CHUNK
from vae_jax.keys import use
from vae_jax.losses._mmd import mmd2
from vae_jax.losses.elbo import encode_checked
from vae_jax.models.part import Params
from vae_jax.training.recipe import Recipe

DRAWS = 64  # samples that estimate the deviation of a posterior that has no `variance`


class Codes(NamedTuple):
    """The codes of examples: arrays that describe each posterior q(z|x), of whatever family.

    Attributes:
      mean: `[n, latent]`, the code that stands for x: the posterior's mean, or what it gives in place of one.
      deviation: `[n, latent]`, its standard deviation, estimated from 64 draws if it has no variance; 0 for a point.
      drawn: `[n, latent]`, a sample of each.
      kl: `[n, parts]`, KL(q(z|x) ‖ p(z)) in nats: `[n, latent]` if it splits over the latents, else `[n, 1]`; NaN for a
        point.
      posterior: the posteriors themselves if they are this package's normals, leaves `[n, latent]`; else None.
    """

    mean: Array
    deviation: Array
    drawn: Array
    kl: Array
    posterior: Normal | None = None

    @property
    def log_var(self) -> Array:
        """log σ² of normal posteriors, `[n, latent]`.

        Raises:
          ValueError: the posteriors are not normal.
        """
        return self._normal("log_var").log_var

    def sample(self, key: Array) -> Array:
        """A new sample of each normal posterior, `[n, latent]`.

        Raises:
          ValueError: the posteriors are not normal; `drawn` holds one sample of each.
        """
        return self._normal("sample").sample(key)

    def take(self, index: Any) -> "Codes":
        """The codes of some of the examples, by an index array or a slice."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def _normal(self, what: str) -> Normal:
        if self.posterior is None:
            raise ValueError(f"{what} is that of normal posteriors, and these are others; see deviation and drawn.")
        return self.posterior


@partial(jax.jit, static_argnums=0)
def codes_of(recipe: Recipe, params: Params, keys: Array, data: Examples) -> Codes:
    """The codes of examples, encoded in chunks of bounded memory.

    Args:
      recipe: the model and its preprocessing; static.
      params: those of the model.
      keys: `[n]`, one for each example, for its preprocessing (such as dynamic binarisation) and for what is drawn.
      data: leaves `[n, …]`; labels are ignored if the model takes none.
    """

    def one(inputs):
        key, example = inputs
        x = recipe.preprocess(key, example.x)
        q = encode_checked(lambda x: recipe.model.encode(params, x, example.y), x)
        z, log_q = draw_weighed(q, use(key, "code"))
        mean, variance = mean_and_variance(q, use(key, "deviation"))
        kl = kl_to_prior(q, recipe.model.latent_prior(params, example.y), z, log_q)
        if isinstance(q, Normal):
            q = Normal(mean, jnp.broadcast_to(q.log_var, jnp.shape(mean)))  # a scalar is one for all latents
        return Codes(mean, jnp.sqrt(variance), z, kl, q if isinstance(q, Normal) else None)

    return lax.map(one, (keys, recipe.labelled(data)), batch_size=CHUNK)


def encode_all(recipe: Recipe, params: Params, key: Array, data: Examples) -> Codes:
    """The codes of every example of a data set.

    Args:
      recipe: the model and its preprocessing; static.
      params: those of the model.
      key: a typed key, split over the examples.
      data: leaves `[n, …]`.
    """
    return codes_of(recipe, params, jax.random.split(use(key, "codes"), data.x.shape[0]), data)


def mean_and_variance(q: Any, key: Array) -> tuple[Array, Array]:
    """Mean and variance of a posterior, `[latent]` each; the variance of a point is 0.

    Args:
      q: a distribution of this package or of another library.
      key: for the 64 draws if it has no `variance`.
    """
    mean = mean_of(q)
    if not has_density(q):
        return mean, jnp.zeros_like(mean)
    if hasattr(q, "variance"):
        return mean, jnp.broadcast_to(variance_of(q), jnp.shape(mean))
    return mean, jnp.var(jax.vmap(lambda key: draw(q, key))(jax.random.split(key, DRAWS)), axis=0)


class PriorMatch(NamedTuple):
    """How the aggregate posterior q(z) = mean over x of q(z|x) compares with the prior.

    Attributes:
      mmd2: squared maximum mean discrepancy between samples of the two, RBF kernel, unbiased (so it can be negative).
      mmd2_critical: the value that `mmd2` exceeds in one case of twenty if both are the prior, from repeated draws of
        the same statistic between two sets of prior samples.
      samples: how many samples of each.
    """

    mmd2: float
    mmd2_critical: float
    samples: int


def prior_match(
    key: Array,
    codes: Codes | Distribution,
    *,
    prior: Callable[[Array], Array] | None = None,
    num_samples: int = 1000,
    repeats: int = 39,
) -> PriorMatch:
    """Compare the aggregate posterior with the prior by samples of both, which also shows clusters and correlations.

    For the divergence of each latent, see `aggregate_posterior`.

    Args:
      key: a typed key, for the samples.
      codes: those of a data set, as from `encode_all`: normal posteriors are sampled anew, for others `drawn` is used.
        Or the posteriors themselves, leaves `[n, latent]`.
      prior: key -> z `[latent]`, a draw from the model's prior, as from `prior_of`; None is N(0, I).
      num_samples: how many from each distribution, at most as many as there are x, each of which gives one.
      repeats: how many draws give the critical value, the second largest of 39.

    Reference: Gretton et al., *A kernel two-sample test*, 2012.
    """
    posterior: Any = codes
    if isinstance(codes, Codes):
        posterior = Delta(codes.drawn) if codes.posterior is None else codes.posterior
    samples = min(num_samples, jax.tree.leaves(posterior)[0].shape[0])
    statistic, critical = _compare(posterior, key, prior, samples, repeats)
    return PriorMatch(float(statistic), float(critical), samples)


def prior_of(recipe: Recipe, params: Params, data: Examples) -> Callable[[Array], Array] | None:
    """A function, key -> z `[latent]`, that draws from a model's own prior.

    For a prior p(z|y), it takes the label of a random example.

    Args:
      recipe: the model and its loss.
      params: those of the model.
      data: the examples that labels are taken from.

    Returns:
      The function; None if the prior is N(0, I), or the loss matches its codes to no prior.
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
    rows = jax.random.choice(key_rows, n, (samples,), replace=False)  # an x that came twice would look like a cluster
    codes = jax.vmap(draw)(jax.tree.map(lambda leaf: leaf[rows], posterior), jax.random.split(key_codes, samples))

    def of_prior(key, count):
        shape = (count, samples)
        if prior is None:
            return jax.random.normal(key, (*shape, codes.shape[1]))
        return jax.vmap(jax.vmap(prior))(jax.random.split(key, shape))

    critical = lax.map(lambda key: mmd2(*of_prior(key, 2)), jax.random.split(key_critical, repeats))
    return mmd2(codes, of_prior(key_prior, 1)[0]), critical_value(critical)


def critical_value(null: Array) -> Array:
    """The value that a new draw of the same law exceeds in one case of twenty; exact for 19, 39, 59, … draws `[n]`."""
    rank = -(-19 * (len(null) + 1) // 20)
    return jnp.sort(null)[min(rank, len(null)) - 1]


def fit_code_mixture(codes: np.ndarray, *, components: int = 20, seed: int = 0) -> Mixture:
    """A mixture of diagonal normals fitted to codes `[n, latent]`, to sample from instead of the prior.

    scikit-learn's expectation-maximisation. An autoencoder has no prior: this density is fitted to its codes
    afterwards (Ghosh et al., *From variational to deterministic autoencoders*, 2020).

    Args:
      codes: `[n, latent]`.
      components: how many normals, at most one for each different code.
      seed: the seed of the fit's starting point.
    """
    from sklearn.mixture import GaussianMixture

    codes = np.asarray(codes, np.float64)  # in float32 the covariance of equal codes may come out negative
    components = min(components, len(np.unique(codes, axis=0)))
    fitted: Any = GaussianMixture(components, covariance_type="diag", random_state=seed, reg_covar=1e-5).fit(codes)
    means, covariances = np.asarray(fitted.means_), np.asarray(fitted.covariances_)
    parts = np.log(fitted.weights_), means, np.log(covariances)
    return Mixture(*(jnp.asarray(part, jnp.float32) for part in parts))
