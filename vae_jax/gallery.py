"""The pictures of a model: what it draws during training, and what a trained one has to show."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import figures
from vae_jax.data import Examples
from vae_jax.disentanglement import Representation
from vae_jax.disentanglement.information import mutual_information
from vae_jax.disentanglement.table import TRAIN
from vae_jax.distributions import Delta, draw
from vae_jax.evaluation import encode_all, fit_code_mixture, reconstruct
from vae_jax.experiment import Experiment
from vae_jax.keys import use
from vae_jax.model import Params
from vae_jax.training import Recipe

GRID = 15  # images a side of the decoded plane
STEPS = np.linspace(-2.0, 2.0, 9, dtype=np.float32)  # of a traversal, in standard deviations of the prior
TRAVERSED = 12  # latents that a traversal shows, at most


def draw_epoch(experiment: Experiment, params: Params, out: Path, epoch: int) -> None:
    """Samples and reconstructions: the same z and the same images each time, so that learning shows."""
    data, recipe, hyper, keys, _ = experiment
    if not experiment.images:
        return
    y = jnp.arange(64) % data.classes if recipe.loss.conditional else None
    images = _generate(recipe, keys.pictures, params, 64, y)
    figures.samples(images, out / "samples" / f"epoch-{epoch:04d}.png", title=f"samples, epoch {epoch}")
    first = Examples(data.validation.x[:10], None if data.validation.y is None else data.validation.y[:10])
    original, seen, decoded = reconstruct(recipe, params, keys.validation, first, hyper)
    rows = {"original": original, "corrupted": seen, "decoded": decoded}
    if recipe.loss.corrupt is None:
        del rows["corrupted"]
    path = out / "reconstructions" / f"epoch-{epoch:04d}.png"
    figures.image_rows(rows, path, title=f"reconstructions, epoch {epoch}")


@partial(jax.jit, static_argnums=(0, 3))
def _generate(recipe: Recipe, key: jax.Array, params: Params, n: int, y: jax.Array | None) -> jax.Array:
    return recipe.model.generate(key, params, n, y)


def draw_trained(experiment: Experiment, params: Params, out: Path) -> None:
    """The latent space of a trained model: codes by class, the decoded plane, interpolations, labels, the aggregate."""
    data, recipe, _, keys, _ = experiment
    posterior = encode_all(recipe, params, keys.test, data.test)
    means = np.asarray(posterior.mean)
    codes = jax.jit(jax.vmap(draw))(posterior, jax.random.split(use(keys.pictures, "codes"), len(means)))
    figures.aggregate_posterior(np.asarray(codes), out / "aggregate_posterior.png")
    if means.shape[1] == 2:
        figures.latent_scatter(means, data.test.y, out / "latent_scatter.png")
    if not experiment.images:
        return
    decode = jax.jit(jax.vmap(lambda z, y: recipe.model.decode(params, z, y).mean))
    if recipe.loss.conditional:
        _draw_labels(experiment, params, decode, out)
        return
    steps = np.linspace(0, 1, 10, dtype=np.float32)[:, None]
    pairs = means[: 2 * min(8, len(means) // 2)].reshape(-1, 2, means.shape[1])
    lines = jnp.concatenate([(1 - steps) * first + steps * last for first, last in pairs])
    figures.grid(decode(lines, None), 10, out / "interpolations.png", title="from one test image's code to another's")
    if means.shape[1] == 2:
        z, axis = _plane(means, point=isinstance(posterior, Delta))
        figures.decoded_plane(decode(z, None), axis, out / "latent_plane.png")
    if isinstance(posterior, Delta):  # no prior was trained: sample where the codes are
        train = encode_all(recipe, params, keys.validation, data.train).mean
        mixture = fit_code_mixture(np.asarray(train))
        z = jax.vmap(mixture.sample)(jax.random.split(use(keys.pictures, "mixture"), 64))
        figures.samples(
            decode(z, None), out / "samples_code_mixture.png", title="samples of a mixture fitted to the codes"
        )


@partial(jax.jit, static_argnums=0)
def decode_means(recipe: Recipe, params: Params, codes: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """The means of p(x|z) at codes `[n, latent]`, all of one label where there is one."""
    return jax.vmap(lambda z: recipe.model.decode(params, z, y).mean)(codes)


def draw_traversals(experiment: Experiment, params: Params, rates: Sequence[float | None], out: Path) -> None:
    """`traversals.png` and `.gif`: a test image's code with one latent moved, the latents of the largest rate first.

    Args:
      experiment: of images.
      params: of the model.
      rates: of the latents in nats, as `rate_per_latent`; where there is none of each (point posteriors, priors without
        a closed form) the latents come in their own order.
      out: folder.
    """
    data, recipe, _, keys, _ = experiment
    one = Examples(*(None if leaf is None else jnp.asarray(leaf[:1]) for leaf in data.test))
    code = encode_all(recipe, params, keys.test, one).mean[0]
    order, names = by_rate(rates, len(code))
    order, names = order[:TRAVERSED], names[:TRAVERSED]
    moved = jnp.stack([code.at[latent].set(step) for latent in order for step in STEPS])
    y = one.y[0] if recipe.loss.conditional else None
    images = np.asarray(decode_means(recipe, params, moved, y))
    figures.grid(
        images,
        len(STEPS),
        out / "traversals.png",
        title="one latent (its rate in nats) set to the value below",
        row_names=names,
        column_names=[f"{step:.1f}".replace("-", "−") for step in STEPS],
    )
    frames = images.reshape(len(order), len(STEPS), *images.shape[1:]).swapaxes(0, 1)
    captions = [f"each latent at {step:+.1f}".replace("-", "−") for step in STEPS]
    figures.animation(frames, out / "traversals.gif", names=names, captions=captions)


def by_rate(rates: Sequence[float | None], latent: int) -> tuple[np.ndarray, list[str]]:
    """Latents from the largest rate down, and their names; in their own order where rates are not known."""
    known = np.array(rates, float)
    if len(known) != latent or not np.isfinite(known).all():
        return np.arange(latent), [f"z{j + 1}" for j in range(latent)]
    order = np.argsort(-known, kind="stable")
    return order, [f"z{j + 1}: {known[j]:.2f}" for j in order]


def draw_measured(
    experiment: Experiment, params: Params, found: dict[str, Any], representation: Representation | None, out: Path
) -> None:
    """The pictures of an evaluation: traversals, reconstructions, samples, the bound, what latents know of factors."""
    data, recipe, hyper, keys, _ = experiment
    if "bounds" in found["log_likelihood"]:
        figures.bounds(found["log_likelihood"]["bounds"], out / "log_likelihood.png")
    if representation is not None:
        factors, codes = representation.sample(np.random.RandomState(0), TRAIN)
        order, names = by_rate(found["test"]["rate_per_latent"], codes.shape[1])
        figures.matrix(
            mutual_information(codes, factors)[order],
            out / "factor_information.png",
            rows=names,
            columns=representation.names,
            title="what each latent (its rate in nats) knows of each factor",
            unit="mutual information, nats",
        )
    if not experiment.images:
        return
    draw_traversals(experiment, params, found["test"]["rate_per_latent"], out)
    chosen = Examples(data.test.x[:10], None if data.test.y is None else data.test.y[:10])
    original, _, decoded = reconstruct(recipe, params, keys.test, chosen, hyper)
    rows = {"test": original, "decoded": decoded}
    figures.image_rows(rows, out / "reconstructions.png", title="test images and their reconstructions")
    if recipe.loss.posterior == "normal":
        y = jnp.arange(64) % data.classes if recipe.loss.conditional else None
        figures.samples(_generate(recipe, keys.pictures, params, 64, y), out / "samples.png")


def _draw_labels(experiment: Experiment, params: Params, decode, out: Path) -> None:
    """One row a label and one column a z; and test images with their labels swapped, their z kept."""
    data, recipe, _, keys, _ = experiment
    labels, columns = jnp.arange(data.classes), 10
    chosen = Examples(*(jnp.asarray(leaf[:columns]) for leaf in data.test))
    codes = encode_all(recipe, params, keys.test, chosen).mean
    noise = jax.random.normal(use(keys.pictures, "labels"), (columns, codes.shape[1]))
    z = jax.vmap(lambda y: _at_label(recipe.model.latent_prior(params, y), noise))(labels)
    images = decode(z.reshape(-1, z.shape[-1]), jnp.repeat(labels, columns))
    names = [str(label) for label in range(data.classes)]
    figures.grid(images, columns, out / "labels.png", title="one z a column, one label a row", row_names=names)
    swapped = decode(jnp.tile(codes, (data.classes, 1)), jnp.repeat(labels, columns))
    pixels = jax.vmap(recipe.preprocess)(jax.random.split(use(keys.test, "codes"), columns), chosen.x)
    figures.grid(
        jnp.concatenate([pixels, swapped]),
        columns,
        out / "swapped_labels.png",
        title="test images (top), and their style under every label",
        row_names=["image", *names],
    )


def _at_label(prior, noise):
    """The same standard draws moved to a label's prior: N(0, I), or a normal of its own."""
    scale = jnp.exp(0.5 * getattr(prior, "log_var", jnp.zeros_like(prior.mean)))
    return jax.vmap(lambda row: prior.mean + scale * row)(noise)


def _plane(means: np.ndarray, *, point: bool) -> tuple[jax.Array, np.ndarray]:
    """z over the plane, top row first, and the axis values: normal quantiles, or the range of point codes."""
    if point:
        low, high = np.quantile(means, [0.02, 0.98])
        axis = np.linspace(low, high, GRID)
    else:
        axis = np.asarray(jax.scipy.special.ndtri((jnp.arange(GRID) + 0.5) / GRID))
    first, second = np.meshgrid(axis, axis[::-1])
    return jnp.stack([first.ravel(), second.ravel()], axis=1), axis
