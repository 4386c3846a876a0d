"""The ELBO and its two terms over a whole data set, and which latents are in use."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.table import Examples
from vae_jax.losses import elbo_terms
from vae_jax.model import Params
from vae_jax.training import Recipe

CHUNK = 500  # examples at a time on the device


def active_units(means: Array, threshold: float = 0.01) -> Array:
    """How many latents carry information about x: Var_x(E[z|x]) above the threshold.

    Args:
      means: `[n, latent]` posterior means over a data set; say which when you report the number.
      threshold: 0.01 as in the paper.

    Returns:
      A whole number, `[]` int32.

    Reference: Burda, Grosse & Salakhutdinov, *Importance Weighted Autoencoders*, 2016, section 5.2.
    """
    return jnp.sum(jnp.var(means, axis=0) > threshold)


def evaluate_elbo(recipe: Recipe, params: Params, key: Array, data: Examples) -> dict[str, Any]:
    """Negative ELBO with β = 1, whatever was trained, over every example of the data.

    One sample of z an example: an unbiased estimate, with its standard error over examples.

    Args:
      recipe: of which the model and the preprocessing are used.
      params: of the model.
      key: a typed key, for z and for dynamic binarisation.
      data: e.g. the test set.

    Returns:
      `negative_elbo`, `negative_elbo_error` (standard error of the mean), `distortion`, `rate` in nats per example;
      `rate_per_latent`, a list; `active_units` over these data; `examples`.
    """
    distortion, kl, means = jax.device_get(_all_terms(recipe, params, key, jax.device_put(data)))
    rate = kl.sum(axis=1, dtype=np.float64)
    negative_elbo = distortion + rate
    return {
        "negative_elbo": float(negative_elbo.mean(dtype=np.float64)),
        "negative_elbo_error": float(negative_elbo.std() / np.sqrt(len(negative_elbo))),
        "distortion": float(distortion.mean(dtype=np.float64)),
        "rate": float(rate.mean()),
        "rate_per_latent": [float(nats) for nats in kl.mean(axis=0, dtype=np.float64)],
        "active_units": int(active_units(means)),
        "examples": len(negative_elbo),
    }


@partial(jax.jit, static_argnums=0)
def reconstruct(recipe: Recipe, params: Params, key: Array, data: Examples) -> tuple[Array, Array]:
    """What the model saw of each example, and the mean of p(x|z) at the posterior mean; both of x's shape."""

    def one(key, x, y):
        seen = recipe.preprocess(key, x)
        return seen, recipe.model.decode(params, recipe.model.encode(params, seen, y).mean, y).mean

    labels = data.y if recipe.conditional else None
    return jax.vmap(one)(jax.random.split(key, data.x.shape[0]), data.x, labels)


@partial(jax.jit, static_argnums=0)
def _all_terms(recipe: Recipe, params: Params, key: Array, data: Examples) -> tuple[Array, Array, Array]:
    """Distortion `[n]`, KL per latent `[n, latent]` and posterior means `[n, latent]`."""

    def one(inputs):
        key, x, y = inputs
        key_pixels, key_latent = jax.random.split(key)
        terms = elbo_terms(
            key_latent,
            recipe.preprocess(key_pixels, x),
            lambda x: recipe.model.encode(params, x, y),
            lambda z: recipe.model.decode(params, z, y),
            recipe.model.latent_prior(),
        )
        return terms.distortion, terms.kl, terms.posterior.mean

    keys = jax.random.split(key, data.x.shape[0])
    labels = data.y if recipe.conditional else None
    return lax.map(one, (keys, data.x, labels), batch_size=CHUNK)
