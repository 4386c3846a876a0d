"""Pictures of what a model generates: samples and reconstructions, while it trains and after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.dataset import Examples, rows
from vae_jax.plots import images
from vae_jax.plots.plot import PLOTS
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained

SAMPLES, SHOWN = 64, 10  # samples in a picture, and images beside their reconstructions


def _now(function: Callable, *args: Any, **options: Any) -> None:
    function(*args, **options)


def draw_epoch(model: Trained, out: Path, epoch: int, *, call: Callable = _now) -> None:
    """Samples and reconstructions: the same z and the same images each time, so that learning shows.

    The images are computed here; each file is drawn by `call(function, *args, **options)`, at once or later.

    Args:
      model: after the epoch.
      out: the folder; `samples` and `reconstructions` are made in it.
      epoch: its number, for the names of the files.
      call: calls the function that draws; at once by default.
    """
    if not model.images:
        return
    name, keys = f"epoch-{epoch:04d}.png", model.experiment.keys
    call(images.samples, np.asarray(_samples(model)), out / "samples" / name, title=f"samples, epoch {epoch}")
    seen = model.seen(_first(model.data.validation), keys.validation)
    shown = jax.device_get({"original": seen.original, "corrupted": seen.encoded, "decoded": seen.decoded})
    if model.recipe.loss.corrupt is None:
        del shown["corrupted"]
    call(images.image_rows, shown, out / "reconstructions" / name, title=f"reconstructions, epoch {epoch}")


@PLOTS.register("samples", images=True, evaluated=True)
def draw_samples(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Samples of the prior, decoded.

    Args:
      model: one of images; nothing is drawn if its loss matches its codes to no prior.
      path: where to write the PNG.
      evaluation: not used.
    """
    if model.recipe.loss.uses_prior:
        images.samples(_samples(model), path)


@PLOTS.register("reconstructions", images=True, evaluated=True)
def draw_reconstructions(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Test images and their reconstructions.

    Args:
      model: one of images.
      path: where to write the PNG.
      evaluation: not used.
    """
    seen = model.seen(_first(model.data.test), model.experiment.keys.test)
    shown = {"test": seen.original, "decoded": seen.decoded}
    images.image_rows(shown, path, title="test images and their reconstructions")


def _first(data: Examples) -> Examples:
    return rows(data, slice(SHOWN))


def _samples(model: Trained) -> jax.Array:
    y = jnp.arange(SAMPLES) % model.classes if model.conditional else None
    return model.generate(model.experiment.keys.pictures, SAMPLES, y)
