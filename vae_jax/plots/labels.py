"""Pictures of a conditional model: what the label does, and what the code keeps."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import mean_of
from vae_jax.keys import use
from vae_jax.plots import images
from vae_jax.plots.plot import PLOTS
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained

COLUMNS = 10


@PLOTS.register("labels", images=True)
def draw_labels(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """One row per label and one column per z.

    Args:
      model: one of images; nothing is drawn unless it is conditional.
      path: where to write the PNG.
      evaluation: not used.
    """
    if not model.conditional:
        return
    labels = jnp.arange(model.classes)
    noise = jax.random.normal(use(model.experiment.keys.pictures, "labels"), (COLUMNS, model.latent))
    z = jax.vmap(lambda y: _at_label(model.model.latent_prior(model.params, y), noise))(labels)
    decoded = model.decode(z.reshape(-1, z.shape[-1]), jnp.repeat(labels, COLUMNS))
    names = [str(label) for label in range(len(labels))]
    images.grid(decoded, COLUMNS, path, title="one z per column, one label per row", row_names=names)


@PLOTS.register("swapped_labels", images=True)
def draw_swapped_labels(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Test images, and their codes decoded with every label.

    Args:
      model: one of images; nothing is drawn unless it is conditional.
      path: where to write the PNG.
      evaluation: not used.
    """
    if not model.conditional:
        return
    key = model.experiment.keys.test
    chosen = Examples(*(jnp.asarray(leaf[:COLUMNS]) for leaf in model.data.test))
    columns = len(chosen.x)
    codes = model.codes(chosen, key).mean
    labels = jnp.arange(model.classes)
    swapped = model.decode(jnp.tile(codes, (len(labels), 1)), jnp.repeat(labels, columns))
    pixels = model.recipe.preprocessed(use(key, "codes"), chosen.x)
    images.grid(
        jnp.concatenate([pixels, swapped]),
        columns,
        path,
        title="test images (top), and their style under every label",
        row_names=["image", *(str(label) for label in range(len(labels)))],
    )


def _at_label(prior: Any, noise: jax.Array) -> jax.Array:
    """The same standard normal draws moved to the prior of a label: N(0, I), or a normal of its own."""
    mean = mean_of(prior)
    scale = jnp.exp(0.5 * getattr(prior, "log_var", jnp.zeros_like(mean)))
    return jax.vmap(lambda row: mean + scale * row)(noise)
