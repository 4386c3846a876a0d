"""Traversals: what a single latent changes in an image."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.table import Examples
from vae_jax.evaluation.latent_space import encode_all
from vae_jax.models.vae import Params
from vae_jax.plots import images
from vae_jax.plots.table import Subject, register
from vae_jax.training.experiment import Experiment
from vae_jax.training.recipe import Recipe

STEPS = np.linspace(-2.0, 2.0, 9, dtype=np.float32)  # in standard deviations of the prior
MOST = 12  # latents that are shown


@register("traversals", images=True)
def draw_measured_traversals(subject: Subject, path: Path) -> None:
    """A test image's code with one latent moved, as a picture and as a GIF."""
    if subject.measured is not None:
        rates = subject.measured["test"]["rate_per_latent"]
        draw_traversals(subject.experiment, subject.params, rates, path.parent)


def draw_traversals(experiment: Experiment, params: Params, rates: Sequence[float | None], out: Path) -> None:
    """`traversals.png` and `.gif`: a test image's code with one latent moved, the latents with the largest rate first.

    Args:
      experiment: one on images.
      params: those of the model.
      rates: those of the latents in nats, `rate_per_latent`; without one for each (point posteriors, priors without a
        closed form) the latents stay in their own order.
      out: folder.
    """
    recipe = experiment.recipe
    one = Examples(*(None if leaf is None else jnp.asarray(leaf[:1]) for leaf in experiment.data.test))
    code = encode_all(recipe, params, experiment.keys.test, one).mean[0]
    order, names = by_rate(rates, len(code))
    order, names = order[:MOST], names[:MOST]
    moved = jnp.stack([code.at[latent].set(step) for latent in order for step in STEPS])
    y = one.y[0] if recipe.loss.conditional else None
    decoded = np.asarray(decode_means(recipe, params, moved, y))
    images.grid(
        decoded,
        len(STEPS),
        out / "traversals.png",
        title="one latent (its rate in nats) set to the value below",
        row_names=names,
        column_names=[f"{step:.1f}".replace("-", "−") for step in STEPS],
    )
    frames = decoded.reshape(len(order), len(STEPS), *decoded.shape[1:]).swapaxes(0, 1)
    captions = [f"each latent at {step:+.1f}".replace("-", "−") for step in STEPS]
    images.animation(frames, out / "traversals.gif", names=names, captions=captions)


def by_rate(rates: Sequence[float | None], latent: int) -> tuple[np.ndarray, list[str]]:
    """Latents from the largest rate down, and their names; in their own order where rates are not known."""
    known = np.array(rates, float)
    if len(known) != latent or not np.isfinite(known).all():
        return np.arange(latent), [f"z{j + 1}" for j in range(latent)]
    order = np.argsort(-known, kind="stable")
    return order, [f"z{j + 1}: {known[j]:.2f}" for j in order]


@partial(jax.jit, static_argnums=0)
def decode_means(recipe: Recipe, params: Params, codes: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """The means of p(x|z) at codes `[n, latent]`, all with the same label where there is one."""
    return jax.vmap(lambda z: recipe.model.decode(params, z, y).mean)(codes)
