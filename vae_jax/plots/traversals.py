"""Traversals: what a single latent changes in an image."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.plots import images
from vae_jax.plots.plot import PLOTS
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained

STEPS = np.linspace(-2.0, 2.0, 9, dtype=np.float32)  # in standard deviations of N(0, 1)
MOST = 12  # latents shown


@PLOTS.register("traversals", images=True, evaluated=True)
def draw_evaluated_traversals(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """A test image's code with one latent moved, as a picture and as a GIF.

    Args:
      model: one of images.
      path: the PNG and the GIF are written to its folder.
      evaluation: gives the rates of the latents.
    """
    draw_traversals(model, evaluation.measures["test"]["rate_per_latent"], path.parent)


def draw_traversals(model: Trained, rates: Sequence[float | None], out: Path) -> None:
    """`traversals.png` and `.gif`: a test image's code with one latent moved, the latents with the largest rate first.

    Args:
      model: one of images.
      rates: those of the latents in nats, `rate_per_latent`; without one for each (point posteriors, priors without a
        closed form) the latents stay in their own order.
      out: the folder to write to.
    """
    code, label = first_code(model)
    order, names = by_rate(rates, len(code))
    order, names = order[:MOST], names[:MOST]
    decoded = np.concatenate([model.decode_traversal(code, latent, STEPS, label) for latent in order])
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
    """Latents from the largest rate down, and their names; in their own order if a rate is not known."""
    known = np.array(rates, float)
    if len(known) != latent or not np.isfinite(known).all():
        return np.arange(latent), [f"z{j + 1}" for j in range(latent)]
    order = np.argsort(-known, kind="stable")
    return order, [f"z{j + 1}: {known[j]:.2f}" for j in order]


def first_code(model: Trained) -> tuple[jax.Array, jax.Array | None]:
    """The code of the first test image `[latent]`, and its label `[1]` for a conditional model."""
    one = Examples(*(None if leaf is None else jnp.asarray(leaf[:1]) for leaf in model.data.test))
    return model.codes(one, model.experiment.keys.test).mean[0], one.y if model.conditional else None
