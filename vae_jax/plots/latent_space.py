"""Pictures of the latent space: where the codes lie, and what lies between them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.base import draw
from vae_jax.evaluation.latent_space import encode_all, fit_code_mixture, prior_of
from vae_jax.keys import use
from vae_jax.plots import charts, images
from vae_jax.plots.table import Subject, register

SIDE = 15  # images per side of the decoded plane


@register("aggregate_posterior")
def draw_aggregate_posterior(subject: Subject, path: Path) -> None:
    """Histograms of sampled codes of the test set against the prior."""
    experiment, count = subject.experiment, len(subject.means)
    key = experiment.keys.pictures
    codes = jax.jit(jax.vmap(draw))(subject.posterior, jax.random.split(use(key, "codes"), count))
    prior = prior_of(experiment.recipe, subject.params, experiment.data.test)
    samples = None if prior is None else jax.jit(jax.vmap(prior))(jax.random.split(use(key, "prior"), count))
    charts.aggregate_posterior(np.asarray(codes), path, prior=None if samples is None else np.asarray(samples))


@register("latent_scatter")
def draw_scatter(subject: Subject, path: Path) -> None:
    """Codes of two latents by class."""
    if subject.means.shape[1] == 2:
        charts.latent_scatter(subject.means, subject.experiment.data.test.y, path)


@register("latent_plane", images=True)
def draw_plane(subject: Subject, path: Path) -> None:
    """The plane of two latents, decoded."""
    if subject.means.shape[1] == 2 and not subject.conditional:
        z, axis = _plane(subject.means, point=subject.is_point)
        images.decoded_plane(subject.decode(z), axis, path)


@register("interpolations", images=True)
def draw_interpolations(subject: Subject, path: Path) -> None:
    """Lines between the codes of two test images, decoded."""
    if subject.conditional or len(subject.means) < 2:
        return
    means, steps = subject.means, np.linspace(0, 1, 10, dtype=np.float32)[:, None]
    pairs = means[: 2 * min(8, len(means) // 2)].reshape(-1, 2, means.shape[1])
    lines = jnp.concatenate([(1 - steps) * first + steps * last for first, last in pairs])
    images.grid(subject.decode(lines), 10, path, title="from one test image's code to another's")


@register("samples_code_mixture", images=True)
def draw_code_mixture(subject: Subject, path: Path) -> None:
    """Samples of a mixture fitted to the codes of an autoencoder, which has no prior to sample from."""
    if not subject.is_point or subject.conditional:
        return
    experiment = subject.experiment
    codes = encode_all(experiment.recipe, subject.params, experiment.keys.validation, experiment.data.train).mean
    mixture = fit_code_mixture(np.asarray(codes))
    z = jax.vmap(mixture.sample)(jax.random.split(use(experiment.keys.pictures, "mixture"), 64))
    images.samples(subject.decode(z), path, title="samples of a mixture fitted to the codes")


def _plane(means: np.ndarray, *, point: bool) -> tuple[jax.Array, np.ndarray]:
    """z over the plane, top row first, and the axis values: normal quantiles, or the range of point codes."""
    if point:
        low, high = np.quantile(means, [0.02, 0.98])
        axis = np.linspace(low, high, SIDE)
    else:
        axis = np.asarray(jax.scipy.special.ndtri((jnp.arange(SIDE) + 0.5) / SIDE))
    first, second = np.meshgrid(axis, axis[::-1])
    return jnp.stack([first.ravel(), second.ravel()], axis=1), axis
