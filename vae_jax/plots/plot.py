"""The registry of pictures of a trained model: drawn at the end of training, and again by an evaluation.

A new picture is a function with `@PLOTS.register` in a new file of this folder, found automatically.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from vae_jax.progress import pieces
from vae_jax.registry import Registry, summary
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained


@dataclass(frozen=True)
class Plot:
    """One entry of `PLOTS`.

    Attributes:
      name: the name of the file, without its suffix.
      draw: `(model, path of the PNG, evaluation)`; draws nothing if it does not apply.
      images: whether it shows images, and so needs a model of them.
      evaluated: whether it shows what an evaluation found, and so is drawn only with one.
    """

    name: str
    draw: Callable[[Trained, Path, Evaluation], Any]
    _: KW_ONLY
    images: bool = False
    evaluated: bool = False

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.draw)


PLOTS = Registry("plot", "vae_jax.plots", Plot)


def draw_all(model: Trained, out: Path, evaluation: Evaluation | None = None) -> None:
    """Draw every picture that applies into a folder.

    Args:
      model: with its data.
      out: the folder.
      evaluation: what was measured of it; without one, only the pictures that need none are drawn.
    """
    found = evaluation or Evaluation({})
    applying = [plot for plot in PLOTS.values() if model.images or not plot.images]
    applying = [plot for plot in applying if evaluation is not None or not plot.evaluated]
    for plot in pieces(applying, doing="drawing", unit="picture"):
        plot.draw(model, out / f"{plot.name}.png", found)
