"""log p(x) of held-out data by importance sampling from the posterior."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Examples
from vae_jax.distributions import draw
from vae_jax.model import Params
from vae_jax.training import Recipe, labelled


class LogLikelihood(NamedTuple):
    """An estimate of the mean of log p(x), in nats per example.

    Attributes:
      log_likelihood: the mean over examples; a lower bound in expectation, which tightens as samples grow.
      error: its standard error over examples.
      effective_samples: mean over examples of (Σw)²/Σw², of `samples`.
      samples: importance samples an example.
      per_example: `[n]`.
    """

    log_likelihood: float
    error: float
    effective_samples: float
    samples: int
    per_example: np.ndarray


def log_likelihood(
    recipe: Recipe, params: Params, key: Array, data: Examples, *, num_samples: int = 1000, chunk: int = 50
) -> LogLikelihood:
    """log p(x) ≈ log (1/k) Σ_i p(x|z_i) p(z_i)/q(z_i|x), z_i ~ q(z|x): Burda et al. 2016, eq. 8.

    Samples go by in chunks under a running log-sum-exp, so that memory does not grow with their number.

    Args:
      recipe: of which the model and the preprocessing are used; its posterior must be a density, not a point.
      params: of the model.
      key: a typed key.
      data: e.g. the test set.
      num_samples: k, rounded up to whole chunks.
      chunk: samples at a time.

    Raises:
      ValueError: the posterior is a point, of which there is no density.
    """
    if recipe.loss.posterior != "normal":
        raise ValueError(f"loss {recipe.loss.name!r} has a point for a posterior: log p(x) needs a density q(z|x).")
    chunks = -(-num_samples // chunk)
    log_p, log_squares = _estimate(recipe, params, key, jax.device_put(labelled(recipe, data)), chunks, chunk)
    per_example = np.asarray(log_p, np.float64)
    return LogLikelihood(
        float(per_example.mean()),
        float(per_example.std(ddof=1) / np.sqrt(len(per_example))),
        float(np.exp(2 * (per_example + np.log(chunks * chunk)) - np.asarray(log_squares, np.float64)).mean()),
        chunks * chunk,
        per_example,
    )


@partial(jax.jit, static_argnums=(0, 4, 5))
def _estimate(
    recipe: Recipe, params: Params, key: Array, data: Examples, chunks: int, chunk: int
) -> tuple[Array, Array]:
    """log p(x) and log Σ w², `[n]` each."""
    model = recipe.model

    def one(inputs):
        key, (x, y) = inputs
        key_pixels, key_samples = jax.random.split(key)
        x = recipe.preprocess(key_pixels, x)
        posterior, prior = model.encode(params, x, y), model.latent_prior(params, y)

        def log_weight(key):
            z = draw(posterior, key)
            return model.decode(params, z, y).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)

        def body(sums, index):
            weights = jax.vmap(log_weight)(jax.random.split(jax.random.fold_in(key_samples, index), chunk))
            found = jax.nn.logsumexp(weights), jax.nn.logsumexp(2 * weights)
            return (jnp.logaddexp(sums[0], found[0]), jnp.logaddexp(sums[1], found[1])), None

        start = jnp.full((), -jnp.inf), jnp.full((), -jnp.inf)
        (log_sum, log_squares), _ = lax.scan(body, start, jnp.arange(chunks))
        return log_sum - jnp.log(chunks * chunk), log_squares

    return lax.map(one, (jax.random.split(key, data.x.shape[0]), data), batch_size=20)
