"""Early stopping: the best parameters of each member so far, by the ELBO of the validation images."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.runs.process import hosts
from vae_jax.training.driver import Population
from vae_jax.training.layout import Layout


class Best(NamedTuple):
    """The best epoch of each member. Epochs after a member has run out of patience do not count.

    Attributes:
      patience: epochs without improvement after which a member is done.
      calls: parameters on the devices, grouped by call as in a `Population`.
      value: `[n]`, the negative ELBO on the validation images, in nats; the distortion for point posteriors.
      epoch: `[n]`, when that was; 0 before the first.
    """

    patience: int
    calls: list[Any]
    value: np.ndarray
    epoch: np.ndarray

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
        return Best(
            self.patience, calls, np.where(better, value, self.value), np.where(better, epoch, self.epoch).astype(int)
        )

    def done(self, epoch: int) -> np.ndarray:
        """`[n]`, which members have run out of patience after an epoch."""
        return epoch - self.epoch >= self.patience

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


def begin_best(patience: int, population: Population, tree: dict[str, Any] | None) -> Best:
    """The best epochs before training starts, or from a checkpoint.

    Args:
      patience: epochs without improvement after which a member is done.
      population: as it starts.
      tree: what a checkpoint held of it, as from `Best.tree`; None before the first epoch.
    """
    layout = population.layout
    if tree is not None:
        value, epoch = (np.asarray(tree[name]) for name in ("value", "epoch"))
        return Best(patience, layout.place(tree["params"]), value.astype(float), epoch.astype(int))
    calls = [jax.tree.map(jnp.copy, call.evaluated) for call in population.calls]  # those of the population are donated
    n = layout.count
    return Best(patience, calls, np.full(n, np.inf), np.zeros(n, int))


@lru_cache(maxsize=64)
def _chooser(layout: Layout) -> Callable:
    """One of two trees of parameters for each member, on its device."""

    def choose(which, new, old):
        return jax.tree.map(lambda one, other: jnp.where(which, one, other), new, old)

    return layout.lift(choose, 3, 0)
