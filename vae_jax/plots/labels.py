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

COLUMNS, ROWS = 10, 20  # of a picture; more labels than rows are not drawn


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
    labels, names, title = _shown(model)
    noise = jax.random.normal(use(model.experiment.keys.pictures, "labels"), (COLUMNS, model.latent))
    z = jax.vmap(lambda y: _at_label(model.model.latent_prior(model.params, y), noise))(labels)
    decoded = model.decode(z.reshape(-1, z.shape[-1]), jnp.repeat(labels, COLUMNS))
    images.grid(decoded, COLUMNS, path, title=f"one z per column, one label per row{title}", row_names=names)


def _shown(model: Trained) -> tuple[jax.Array, list[str], str]:
    """The labels that are drawn, their names, and what to add to the title if there are more."""
    count = min(model.classes, ROWS)
    names = model.description.class_names or tuple(map(str, range(model.classes)))
    more = f" ({count} of {model.classes:,})" if count < model.classes else ""
    return jnp.arange(count), list(names[:count]), more


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
    labels, names, title = _shown(model)
    swapped = model.decode(jnp.tile(codes, (len(labels), 1)), jnp.repeat(labels, columns))
    pixels = model.recipe.preprocessed(use(key, "codes"), chosen.x)
    images.grid(
        jnp.concatenate([pixels, swapped]),
        columns,
        path,
        title=f"test images (top), and their style under every label{title}",
        row_names=["image", *names],
    )


def _at_label(prior: Any, noise: jax.Array) -> jax.Array:
    """The same standard normal draws moved to the prior of a label: N(0, I), or a normal of its own."""
    mean = mean_of(prior)
    scale = jnp.exp(0.5 * getattr(prior, "log_var", jnp.zeros_like(mean)))
    return jax.vmap(lambda row: mean + scale * row)(noise)
