"""The posteriors of a trained model on the whole grid of a data set's factors."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.data.dataset import Examples, Factors
from vae_jax.errors import InputError
from vae_jax.evaluation.codes import codes_of
from vae_jax.evaluation.metrics.score import TRAIN, Representation
from vae_jax.models.part import Params
from vae_jax.progress import in_parts
from vae_jax.training.recipe import Recipe

CHUNK = 4096  # images on the device at a time
CALL = 1000  # images at a time, of those that are drawn


def represent(
    recipe: Recipe, params: Params, factors: Factors, key: Array | None = None, *, progress: bool = True
) -> Representation:
    """q(z|x) of every image of the grid; the codes that the scores see are its means.

    Args:
      recipe: that of a model of these images, without labels.
      params: those of the model.
      factors: those of the data set, `data.load(name).factors`.
      key: for dynamic binarisation; a fixed one by default.
      progress: whether to show a bar if it takes longer than two seconds.

    Raises:
      InputError: the model's encoder takes labels, so that its codes are not those of the image alone.
    """
    if recipe.loss.conditional:
        raise InputError(f"loss {recipe.loss.name!r} encodes labels with the image; scores need codes of images alone.")
    key = jax.random.key(0) if key is None else key
    total, parts = factors.total, []
    for rows in in_parts(total, CHUNK, doing="encoding the grid", unit="image", progress=progress):
        x = jnp.asarray(factors.images(rows[0], min(rows[0] + CHUNK, total)))
        keys = jax.random.split(jax.random.fold_in(key, rows[0]), len(x))
        codes = codes_of(recipe, params, keys, Examples(x))
        parts.append(jax.tree.map(np.asarray, (codes.mean, codes.posterior)))
    means, posterior = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return Representation(
        factors.names,
        factors.sizes,
        partial(_look_up, means, factors),
        posterior,
        factors.aside,
    )


def draw_codes(
    encode: Callable[[np.ndarray], np.ndarray], factors: Factors, *, n: int = TRAIN, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Factors `[n, factors]` and codes `[n, latent]` of images drawn from the grid; the rest of it is not encoded.

    Args:
      encode: images `[n, height, width, channels]` -> codes `[n, latent]`.
      factors: those of the data set, `data.load(name).factors`.
      n: how many.
      seed: of the draw, with replacement.
    """
    places = np.random.RandomState(seed).randint(0, factors.total, n)
    images = np.concatenate([factors.images(place, place + 1) for place in places])
    codes = [np.asarray(encode(part)) for part in np.split(images, range(CALL, n, CALL))]
    return np.stack(np.unravel_index(places // factors.copies, factors.sizes), 1), np.concatenate(codes)


def _look_up(means: np.ndarray, factors: Factors, wanted: np.ndarray) -> np.ndarray:
    """Codes of images with factors `[n, factors]`, each of a random copy; the same factors give the same copies."""
    place = np.ravel_multi_index(tuple(np.asarray(wanted).T), factors.sizes)
    random = np.random.RandomState(int(place.sum()) % 2**32)
    return means[place * factors.copies + random.randint(0, factors.copies, len(wanted))]
