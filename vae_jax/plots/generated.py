"""Pictures of what a model generates: samples and reconstructions, while it trains and after."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.table import Examples
from vae_jax.evaluation.elbo import reconstruct
from vae_jax.models.vae import Params
from vae_jax.plots import images
from vae_jax.plots.table import Subject, register
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import Recipe


def _now(function: Callable, *args: Any, **options: Any) -> None:
    function(*args, **options)


def draw_epoch(experiment: Experiment, params: Params, out: Path, epoch: int, *, call: Callable = _now) -> None:
    """Samples and reconstructions: the same z and the same images each time, so that learning shows.

    The images are computed here; each file is drawn by `call(function, *args, **options)`, at once or later.
    """
    if not experiment.images:
        return
    name = f"epoch-{epoch:04d}.png"
    drawn = np.asarray(_samples(experiment, params))
    call(images.samples, drawn, out / "samples" / name, title=f"samples, epoch {epoch}")
    recipe = experiment.recipe
    first = _first(experiment.data.validation)
    seen = reconstruct(recipe, params, experiment.keys.validation, first, experiment.hyper)
    rows = jax.device_get({"original": seen.original, "corrupted": seen.seen, "decoded": seen.decoded})
    if recipe.loss.corrupt is None:
        del rows["corrupted"]
    call(images.image_rows, rows, out / "reconstructions" / name, title=f"reconstructions, epoch {epoch}")


@register("samples", images=True)
def draw_samples(subject: Subject, path: Path) -> None:
    """Samples of the prior, decoded."""
    if subject.measured is not None and subject.experiment.recipe.loss.uses_prior:
        images.samples(_samples(subject.experiment, subject.params), path)


@register("reconstructions", images=True)
def draw_reconstructions(subject: Subject, path: Path) -> None:
    """Test images and their reconstructions."""
    if subject.measured is None:
        return
    experiment = subject.experiment
    seen = reconstruct(
        experiment.recipe, subject.params, experiment.keys.test, _first(experiment.data.test), experiment.hyper
    )
    rows = {"test": seen.original, "decoded": seen.decoded}
    images.image_rows(rows, path, title="test images and their reconstructions")


def _first(data: Examples) -> Examples:
    return Examples(data.x[:10], None if data.y is None else data.y[:10])


def _samples(experiment: Experiment, params: Params) -> jax.Array:
    y = jnp.arange(64) % experiment.data.classes if experiment.recipe.loss.conditional else None
    return _generate(experiment.recipe, experiment.keys.pictures, params, 64, y)


@partial(jax.jit, static_argnums=(0, 3))
def _generate(recipe: Recipe, key: jax.Array, params: Params, n: int, y: jax.Array | None) -> jax.Array:
    return recipe.model.generate(key, params, n, y)
