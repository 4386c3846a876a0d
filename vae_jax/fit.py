"""Driving the pure training functions from Python: compiled once, data on the device, with a progress bar."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from vae_jax import training
from vae_jax.data.table import Examples
from vae_jax.training import Hyper, Recipe, State


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


def fit(
    recipe: Recipe,
    state: State,
    key: jax.Array,
    hyper: Hyper,
    data: Examples,
    *,
    epochs: int,
    progress: bool = True,
) -> Iterator[tuple[int, State, dict[str, float]]]:
    """Train up to `epochs`, from wherever the state stands, and yield after each.

    The numbers are those of `training.run`, bit for bit per step. Long epochs go through the device in several parts of
    one compiled size, so that progress can be shown.

    Args:
      recipe: static.
      state: from `training.init`, or restored. It is donated: its buffers are gone after the first epoch.
      key: the run's key, the same for a resumed run.
      hyper: as `training.hyperparameters` gives them.
      data: the training set.
      epochs: how many in all; those that the state has behind it are not run again.
      progress: show a bar with the reconstruction loss (distortion) and the KL (rate) as they go.

    Yields:
      `(epochs done, state, mean metrics of the epoch)`. The state is given up at the next iteration: use it before.

    Raises:
      DivergedError: the loss is NaN or infinite; names the step.
    """
    from tqdm import tqdm

    data = jax.device_put(data)
    in_epoch = training.steps_per_epoch(recipe, data)
    part = part_of_epoch(in_epoch)
    order = jax.jit(training.order, static_argnums=0)
    advance = jax.jit(training.steps, static_argnums=0, donate_argnums=1)
    done = int(state.step) // in_epoch
    shown: Any = {} if progress else {"disable": True}  # otherwise TQDM_DISABLE decides
    with tqdm(total=epochs * in_epoch, initial=done * in_epoch, unit="step", **shown) as bar:
        for index in range(done, epochs):
            bar.set_description(f"epoch {index + 1}/{epochs}", refresh=False)
            rows = order(recipe, key, index, data)
            parts = []
            for start in range(0, in_epoch, part):
                state, metrics = advance(recipe, state, key, hyper, data, rows[start : start + part])
                parts.append(jax.device_get(metrics))
                _expect_finite(parts[-1]["loss"], index * in_epoch + start, index)
                now = _means(parts[-1:])
                kl = "" if math.isnan(now["rate"]) else f", KL {now['rate']:.2f}"  # a point posterior has none
                bar.set_postfix_str(f"reconstruction {now['distortion']:.2f}{kl} nats", refresh=False)
                bar.update(part)
            yield index + 1, state, _means(parts)


def start(recipe: Recipe, key: jax.Array, data: Examples) -> State:
    """`training.init`, compiled; only the first example goes to the device."""
    return jax.jit(training.init, static_argnums=0)(recipe, key, jax.tree.map(lambda leaf: leaf[:1], data))


def part_of_epoch(in_epoch: int, most: int = 100) -> int:
    """Steps between two words of progress: the largest divisor up to `most`, so that one program serves all parts."""
    best = max(count for count in range(1, min(most, in_epoch) + 1) if in_epoch % count == 0)
    return best if best > most // 4 else in_epoch


def _means(parts: list[dict[str, Any]]) -> dict[str, float]:
    return {name: float(np.concatenate([part[name] for part in parts]).mean()) for name in parts[0]}


def _expect_finite(losses: np.ndarray, first: int, index: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise DivergedError(
            f"the loss became {losses[bad[0]]} at step {first + bad[0]} (epoch {index + 1}); expected a finite number. "
            "Lower --learning-rate, or look for outliers in the data."
        )
