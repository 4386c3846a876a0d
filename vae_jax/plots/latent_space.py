"""Pictures of the latent space: where the codes lie, and what lies between them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.base import draw
from vae_jax.evaluation.codes import fit_code_mixture, prior_of
from vae_jax.keys import use
from vae_jax.plots import charts, images
from vae_jax.plots.plot import PLOTS
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained
from vae_jax.trained.walks import line

SIDE = 15  # images per side of the decoded plane


@PLOTS.register("aggregate_posterior")
def draw_aggregate_posterior(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Histograms of sampled codes of the test set against the prior.

    Args:
      model: with its data.
      path: where to write the PNG.
      evaluation: not used.
    """
    codes, key = model.test_codes, model.experiment.keys.pictures
    count = len(codes.mean)
    drawn = codes.drawn
    if codes.posterior is not None:
        drawn = jax.jit(jax.vmap(draw))(codes.posterior, jax.random.split(use(key, "codes"), count))
    prior = prior_of(model.recipe, model.params, model.data.test)
    samples = None if prior is None else jax.jit(jax.vmap(prior))(jax.random.split(use(key, "prior"), count))
    charts.aggregate_posterior(np.asarray(drawn), path, prior=None if samples is None else np.asarray(samples))


@PLOTS.register("latent_scatter")
def draw_scatter(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Codes of two latents by class.

    Args:
      model: nothing is drawn unless it has two latents.
      path: where to write the PNG.
      evaluation: not used.
    """
    if model.latent == 2:
        charts.latent_scatter(np.asarray(model.test_codes.mean), model.data.test.y, path)


@PLOTS.register("latent_plane", images=True)
def draw_plane(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """The plane of two latents, decoded.

    Args:
      model: one of images; nothing is drawn unless it has two latents and takes no labels.
      path: where to write the PNG.
      evaluation: not used.
    """
    if model.latent == 2 and not model.conditional:
        z, axis = _plane(np.asarray(model.test_codes.mean), point=model.is_point)
        images.decoded_plane(model.decode(z), axis, path)


@PLOTS.register("interpolations", images=True)
def draw_interpolations(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Lines between the codes of two test images, decoded.

    Args:
      model: one of images; nothing is drawn if it takes labels.
      path: where to write the PNG.
      evaluation: not used.
    """
    means = np.asarray(model.test_codes.mean)
    if model.conditional or len(means) < 2:
        return
    pairs = means[: 2 * min(8, len(means) // 2)].reshape(-1, 2, means.shape[1])
    lines = jnp.concatenate([line(first, last, 10) for first, last in pairs])
    images.grid(model.decode(lines), 10, path, title="from one test image's code to another's")


@PLOTS.register("samples_code_mixture", images=True)
def draw_code_mixture(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """Samples of a mixture fitted to the codes of an autoencoder, which has no prior to sample from.

    Args:
      model: one of images; nothing is drawn unless its codes are points and it takes no labels.
      path: where to write the PNG.
      evaluation: not used.
    """
    if not model.is_point or model.conditional:
        return
    keys = model.experiment.keys
    mixture = fit_code_mixture(np.asarray(model.codes(model.data.train, keys.validation).mean))
    z = jax.vmap(mixture.sample)(jax.random.split(use(keys.pictures, "mixture"), 64))
    images.samples(model.decode(z), path, title="samples of a mixture fitted to the codes")


def _plane(means: np.ndarray, *, point: bool) -> tuple[jax.Array, np.ndarray]:
    """z over the plane, top row first, and the axis values: normal quantiles, or the range of point codes."""
    if point:
        low, high = np.quantile(means, [0.02, 0.98])
        axis = np.linspace(low, high, SIDE)
    else:
        axis = np.asarray(jax.scipy.special.ndtri((jnp.arange(SIDE) + 0.5) / SIDE))
    first, second = np.meshgrid(axis, axis[::-1])
    return jnp.stack([first.ravel(), second.ravel()], axis=1), axis
