"""The codes of a trained model on the whole grid of sprites."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.data.sprites import COUNT, NAMES, SIZES, factors_of, index_of, render
from vae_jax.disentanglement.table import Representation
from vae_jax.model import Params
from vae_jax.training import Recipe

CHUNK = 4096


def of_sprites(recipe: Recipe, params: Params, *, size: int = 64) -> Representation:
    """Posterior means of all 737,280 sprites, rendered and encoded on the device as they are needed.

    Args:
      recipe: of a model of sprites.
      params: of the model.
      size: pixels a side that the model was trained on.
    """
    table = np.concatenate([np.asarray(_encode(recipe, params, start, size)) for start in range(0, COUNT, CHUNK)])

    def codes(factors: np.ndarray) -> np.ndarray:
        return table[np.asarray(index_of(factors))]

    return Representation(NAMES, SIZES, codes)


@partial(jax.jit, static_argnums=(0, 3))
def _encode(recipe: Recipe, params: Params, start: Array | int, size: int) -> Array:
    def mean(index):
        x = recipe.preprocess(jax.random.key(0), render(factors_of(index), size=size))
        return recipe.model.encode(params, x).mean

    return jax.vmap(mean)(start + jnp.arange(CHUNK))
