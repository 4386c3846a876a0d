"""The table of pictures of a trained model: drawn at the end of training, and again by an evaluation.

A new picture is a function with `@register` in a new file of this folder, found automatically.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from vae_jax.distributions.base import has_density, mean_of
from vae_jax.evaluation.latent_space import encode_all
from vae_jax.evaluation.metrics.table import Representation
from vae_jax.models.vae import Params
from vae_jax.progress import pieces
from vae_jax.table import Table, summary
from vae_jax.training.experiment import Experiment


@dataclass(frozen=True)
class Subject:
    """A trained model as pictures need it; what several of them use is computed once.

    Attributes:
      experiment: what it was trained with.
      params: its parameters.
      measured: the measures of an evaluation, as from `evaluate_model`; None without one.
      representation: codes of the whole grid of factors, where those are known.
    """

    experiment: Experiment
    params: Params
    measured: Mapping[str, Any] | None = None
    representation: Representation | None = None

    @cached_property
    def posterior(self) -> Any:
        """q(z|x) of the test set."""
        experiment = self.experiment
        return encode_all(experiment.recipe, self.params, experiment.keys.test, experiment.data.test)

    @property
    def means(self) -> np.ndarray:
        """Posterior means of the test set, `[n, latent]`."""
        return np.asarray(self.posterior.mean)

    @property
    def is_point(self) -> bool:
        """Whether the code is a point and not a density."""
        return not has_density(self.posterior)

    @property
    def conditional(self) -> bool:
        """Whether the model takes labels."""
        return self.experiment.recipe.loss.conditional

    def decode(self, z: Array, y: Array | None = None) -> Array:
        """The means of p(x|z), `[n, *shape of x]`."""
        return self._decode(z, y)

    @cached_property
    def _decode(self) -> Callable[[Array, Array | None], Array]:
        model = self.experiment.recipe.model
        return jax.jit(jax.vmap(lambda z, y: mean_of(model.decode(self.params, z, y))))


class Plot(NamedTuple):
    """One entry of `PLOTS`.

    Attributes:
      name: the name of the file, without its suffix.
      draw: `(subject, path of the PNG)`; draws nothing where it does not apply.
      images: whether it shows images, and so needs a model of them.
    """

    name: str
    draw: Callable[[Subject, Path], Any]
    images: bool

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.draw)


PLOTS: Table[Plot] = Table("plot", "vae_jax.plots")


def register(name: str, *, images: bool = False) -> Callable:
    """Register the decorated function in `PLOTS` under the name of its file."""

    def enter(draw: Callable[[Subject, Path], Any]) -> Callable[[Subject, Path], Any]:
        PLOTS.add(name, Plot(name, draw, images))
        return draw

    return enter


def draw_all(subject: Subject, out: Path) -> None:
    """Draw every picture that applies into a folder."""
    applying = [plot for plot in PLOTS.values() if subject.experiment.images or not plot.images]
    for plot in pieces(applying, doing="drawing", unit="picture"):
        plot.draw(subject, out / f"{plot.name}.png")
