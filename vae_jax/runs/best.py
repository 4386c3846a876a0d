"""Early stopping: the best parameters of each member so far, by its objective on the validation images."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.runs.process import hosts
from vae_jax.training.driver import Population
from vae_jax.training.layout import Layout
from vae_jax.training.members import Members
from vae_jax.training.recipe import Recipe


class Best(NamedTuple):
    """The best epoch of each member. Epochs after a member has run out of patience do not count.

    Attributes:
      patience: epochs without improvement after which a member is done.
      calls: parameters on the devices, grouped by call as in a `Population`.
      value: `[n]`, the objective on the validation images, with all ramps complete; see `measure_of`.
      epoch: `[n]`, when that was; 0 before the first.
      ramped: `[n]`, the epoch in which the last ramp is first complete; patience counts from there.
    """

    patience: int
    calls: list[Any]
    value: np.ndarray
    epoch: np.ndarray
    ramped: np.ndarray

    def after(self, population: Population, value: np.ndarray, epoch: int) -> "Best":
        """The best epochs after one more.

        Args:
          population: after that epoch.
          value: `[n]`, as the attribute, for that epoch.
          epoch: its number, counted from 1.
        """
        better = population.finite & (value < self.value) & ~self.done(epoch - 1)
        choose, layout = _chooser(population.layout), population.layout
        calls = [
            choose(which, new.evaluated, old)
            for which, new, old in zip(layout.place(better), population.calls, self.calls, strict=True)
        ]
        epochs = np.where(better, epoch, self.epoch).astype(int)
        return self._replace(calls=calls, value=np.where(better, value, self.value), epoch=epochs)

    def done(self, epoch: int) -> np.ndarray:
        """`[n]`, which members have run out of patience after an epoch."""
        return epoch - np.maximum(self.epoch, self.ramped) >= self.patience

    def tree(self, layout: Layout) -> dict[str, Any]:
        """What a checkpoint holds of it, leaves `[n, …]`; on the devices if no process holds them all."""
        if hosts.joined():
            numbers = layout.place({"value": self.value.astype(np.float32), "epoch": self.epoch.astype(np.int32)})
            return {"params": layout.gather(self.calls), **layout.gather(numbers)}
        numbers = {"value": self.value.astype(np.float32), "epoch": self.epoch.astype(np.int32)}
        return {"params": layout.fetch(self.calls), **numbers}

    def of(self, population: Population) -> Population:
        """The population with these parameters in place of its last; a member without a best epoch keeps its last."""
        layout, choose = population.layout, _chooser(population.layout)
        had = layout.place(self.epoch > 0)
        calls = [
            call._replace(params=choose(which, best, call.evaluated), average=None)
            for which, call, best in zip(had, population.calls, self.calls, strict=True)
        ]
        return population._replace(calls=calls)


def measure_of(recipe: Recipe) -> str:
    """What epochs are compared by: the objective, in which every loss weighs its own terms as in training.

    The objective of a loss with critics moves as these learn: an untrained critic finds nothing to penalise, so the
    first epochs would seem the best. Its epochs are compared by the negative ELBO, or the distortion of points.
    """
    if not recipe.loss.critics:
        return "objective"
    return "negative_elbo" if recipe.has_density else "distortion"


def ramps_end(recipe: Recipe, members: Members, in_epoch: int) -> np.ndarray:
    """`[n]`, the epoch in which the last of a member's ramps is first complete; 0 without ramps.

    Args:
      recipe: its loss has the ramps.
      members: their hyperparameters.
      in_epoch: steps in an epoch.
    """
    steps = [np.ceil(members.hypers[f"{name}_steps"] / in_epoch) for name in recipe.loss.ramps]
    return np.max([np.zeros(members.count), *steps], axis=0).astype(int)


def begin_best(
    patience: int, population: Population, tree: dict[str, Any] | None, ramped: np.ndarray | None = None
) -> Best:
    """The best epochs before training starts, or from a checkpoint.

    Args:
      patience: epochs without improvement after which a member is done.
      population: as it starts.
      tree: what a checkpoint held of it, as from `Best.tree`; None before the first epoch.
      ramped: as from `ramps_end`; None without ramps.
    """
    layout = population.layout
    ramped = np.zeros(layout.count, int) if ramped is None else ramped
    if tree is not None:
        value, epoch = (np.asarray(tree[name]) for name in ("value", "epoch"))
        return Best(patience, layout.place(tree["params"]), value.astype(float), epoch.astype(int), ramped)
    calls = [jax.tree.map(jnp.copy, call.evaluated) for call in population.calls]  # those of the population are donated
    n = layout.count
    return Best(patience, calls, np.full(n, np.inf), np.zeros(n, int), ramped)


@lru_cache(maxsize=64)
def _chooser(layout: Layout) -> Callable:
    """One of two trees of parameters for each member, on its device."""

    def choose(which, new, old):
        return jax.tree.map(lambda one, other: jnp.where(which, one, other), new, old)

    return layout.lift(choose, 3, 0)
