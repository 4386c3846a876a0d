"""Pictures of a conditional model: what the label does, and what the code keeps."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.data.table import Examples
from vae_jax.evaluation.latent_space import encode_all
from vae_jax.keys import use
from vae_jax.plots import images
from vae_jax.plots.table import Subject, register

COLUMNS = 10


@register("labels", images=True)
def draw_labels(subject: Subject, path: Path) -> None:
    """One row per label and one column per z."""
    if not subject.conditional:
        return
    experiment = subject.experiment
    labels = jnp.arange(experiment.data.classes)
    noise = jax.random.normal(use(experiment.keys.pictures, "labels"), (COLUMNS, subject.means.shape[1]))
    prior = experiment.recipe.model.latent_prior
    z = jax.vmap(lambda y: _at_label(prior(subject.params, y), noise))(labels)
    decoded = subject.decode(z.reshape(-1, z.shape[-1]), jnp.repeat(labels, COLUMNS))
    names = [str(label) for label in range(len(labels))]
    images.grid(decoded, COLUMNS, path, title="one z per column, one label per row", row_names=names)


@register("swapped_labels", images=True)
def draw_swapped_labels(subject: Subject, path: Path) -> None:
    """Test images, and their code decoded with every label."""
    if not subject.conditional:
        return
    experiment = subject.experiment
    chosen = Examples(*(jnp.asarray(leaf[:COLUMNS]) for leaf in experiment.data.test))
    columns = len(chosen.x)
    codes = encode_all(experiment.recipe, subject.params, experiment.keys.test, chosen).mean
    labels = jnp.arange(experiment.data.classes)
    swapped = subject.decode(jnp.tile(codes, (len(labels), 1)), jnp.repeat(labels, columns))
    keys = jax.random.split(use(experiment.keys.test, "codes"), columns)
    pixels = jax.vmap(experiment.recipe.preprocess)(keys, chosen.x)
    images.grid(
        jnp.concatenate([pixels, swapped]),
        columns,
        path,
        title="test images (top), and their style under every label",
        row_names=["image", *(str(label) for label in range(len(labels)))],
    )


def _at_label(prior: Any, noise: jax.Array) -> jax.Array:
    """The same standard normal draws moved to a label's prior: N(0, I), or a normal of its own."""
    scale = jnp.exp(0.5 * getattr(prior, "log_var", jnp.zeros_like(prior.mean)))
    return jax.vmap(lambda row: prior.mean + scale * row)(noise)
