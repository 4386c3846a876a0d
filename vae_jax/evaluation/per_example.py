"""How likely each example is: log p(x), or its bound, with the error of each estimate."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import draw_weighed, total
from vae_jax.distributions.to_prior import kl_to_prior, log_prior
from vae_jax.evaluation.likelihood import IMAGES, split
from vae_jax.keys import use
from vae_jax.models.part import Params
from vae_jax.training.recipe import Recipe

DRAWS, CHUNK = 64, 50  # draws for the bound; importance samples at a time


class Scores(NamedTuple):
    """How likely each example is, in nats: higher is more likely.

    Attributes:
      value: `[n]`, float64.
      error: `[n]`, the standard error of each estimate from its draws alone; 0 if nothing is drawn.
      estimator: what it is, in words.
    """

    value: np.ndarray
    error: np.ndarray
    estimator: str


def estimator_of(recipe: Recipe, num_samples: int | None) -> str:
    """What `example_scores` estimates, in words.

    Raises:
      ValueError: importance samples for a model whose code is a point.
    """
    given = "x|y" if recipe.loss.conditional else "x"
    if not recipe.has_density:
        if num_samples is not None:
            raise ValueError(f"the code of loss {recipe.loss.name!r} is a point: there is no log p(x) to sample.")
        return "log p(x|z) at the code of x, nats"
    if num_samples is None:
        return f"ELBO, a bound of log p({given}), nats"
    return f"log p({given}) by {num_samples} importance samples, nats"


def example_scores(
    recipe: Recipe, params: Params, key: Array, data: Examples, *, num_samples: int | None = None
) -> tuple[Array, Array]:
    """The score of each example and its standard error, `[n]` each, in nats of what the model sees.

    Without `num_samples` it is the ELBO, E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), the expectation over 64 draws and the KL
    in closed form where there is one. With k samples it is log (1/k) Σ_i p(x|z_i) p(z_i)/q(z_i|x) (Burda et al. 2016,
    eq. 8), whose error is that of the logarithm of a mean by the delta method. A model whose code is a point gives
    log p(x|z) there.

    All examples share their draws, so that the score of one depends on no other, nor on its place.

    Args:
      recipe: the model and its preprocessing; static.
      params: those of the model.
      key: a typed key.
      data: leaves `[n, …]`, as the recipe takes them.
      num_samples: k, at least 1; None for the ELBO.
    """
    estimator_of(recipe, num_samples)
    chunks = (1, DRAWS) if num_samples is None else split(num_samples, CHUNK)
    return _scores(recipe, params, use(key, "scores"), recipe.labelled(data), num_samples is not None, *chunks)


@partial(jax.jit, static_argnums=(0, 4, 5, 6))
def _scores(
    recipe: Recipe, params: Params, key: Array, data: Examples, sampled: bool, chunks: int, chunk: int
) -> tuple[Array, Array]:
    model = recipe.model
    key_pixels, key_draws = jax.random.split(key)

    def one(example):
        x, y = recipe.preprocess(key_pixels, example.x), example.y
        posterior, prior = model.encode(params, x, y), model.latent_prior(params, y)

        def draws(index):
            keys = jax.random.split(jax.random.fold_in(key_draws, index), chunk)
            z, log_q = jax.vmap(lambda key: draw_weighed(posterior, key))(keys)
            return z, log_q, jax.vmap(lambda z: total(model.decode(params, z, y).log_prob(x)))(z)

        if not recipe.has_density:
            z, _, fit = draws(0)
            return fit[0], jnp.zeros(())
        if not sampled:
            z, log_q, fit = draws(0)
            kl = jax.vmap(lambda z, q: jnp.sum(kl_to_prior(posterior, prior, z, q)))(z, log_q)
            bound = fit - kl
            return bound.mean(), bound.std() * jnp.sqrt(1.0 / (chunk - 1))

        def body(sums, index):
            z, log_q, fit = draws(index)
            known = jax.vmap(lambda z: total(posterior.log_prob(z)))(z) if log_q is None else log_q
            weights = fit + jax.vmap(lambda z: log_prior(prior, z))(z) - known
            parts = jax.nn.logsumexp(weights), jax.nn.logsumexp(2 * weights)
            return tuple(jnp.logaddexp(a, b) for a, b in zip(sums, parts, strict=True)), None

        start = (jnp.full((), -jnp.inf), jnp.full((), -jnp.inf))
        (log_sum, log_squares), _ = lax.scan(body, start, jnp.arange(chunks))
        k = chunks * chunk
        return log_sum - jnp.log(k), jnp.sqrt(jnp.maximum(jnp.exp(log_squares - 2 * log_sum) - 1 / k, 0.0))

    return lax.map(one, data, batch_size=IMAGES)
