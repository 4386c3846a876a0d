"""Where training stops being finite: which step, which tensor, and what the means of an epoch are then."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vae_jax.training import pure
from vae_jax.training.pure import State

MOST = 100  # skipped steps in a row after which a model has diverged


class DivergedError(ArithmeticError):
    """The loss or the state is no longer finite."""


def names_of(state: State) -> list[str]:
    """The names of a state's leaves: their paths, joined by dots."""
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(state)[0]]
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path in paths]


def means_of(values: dict[str, np.ndarray], in_epoch: int, stale: np.ndarray) -> dict[str, np.ndarray]:
    """The means of each epoch, `[n, epochs]`; NaN for members that had diverged before.

    Args:
      values: name -> `[n, count]`, a value for each step.
      in_epoch: steps in an epoch.
      stale: `[n]` bool, which members had diverged before these steps.
    """

    def by_epoch(value):
        rest = -value.shape[1] % in_epoch  # the last epoch is cut short once all members have diverged
        whole = np.pad(value, ((0, 0), (0, rest)), constant_values=np.nan)
        return np.where(stale[:, None], np.float32(np.nan), whole).reshape(len(value), -1, in_epoch)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no steps, if all were skipped
        return pure.over_steps({name: by_epoch(value) for name, value in values.items()}, np.mean)


def none_kept(skipped: Any) -> Any:
    """Whether all of several steps were skipped, `[steps]` -> `[]` bool; a single step is not enough to tell."""
    return (skipped == 1).all() & (len(skipped) > 1)


def skipped_in_a_row(skipped: np.ndarray, before: int) -> tuple[int, int]:
    """The longest run of skipped steps, and that at the end, `[steps]` of 0 and 1 -> two counts.

    Args:
      skipped: whether each step was.
      before: how many were skipped just before.
    """
    longest = run = before
    for one in skipped:
        run = run + 1 if one == 1 else 0
        longest = max(longest, run)
    return longest, run


def divergence(
    metrics: Mapping[str, np.ndarray], leaves: Sequence[str], wrong: int, longest: int = 0
) -> tuple[int, str]:
    """The first of several steps at which a member diverged, and what was not finite; −1 and "" if none.

    Args:
      metrics: name -> `[steps]`, of one member.
      leaves: the names of a state's leaves, as from `names_of`.
      wrong: the index of the leaf that is not finite after the last step; −1 if none.
      longest: the longest run of skipped steps that ends in these.
    """
    if "skipped" in metrics and not none_kept(metrics["skipped"]) and longest < MOST:
        return -1, ""
    lost = metrics["skipped"] == 1 if "skipped" in metrics else ~np.isfinite(metrics["loss"])
    if not lost.any():
        return (len(lost) - 1, leaves[wrong]) if wrong >= 0 else (-1, "")
    at = int(lost.argmax())
    parts = (name for name, values in metrics.items() if name not in ("loss", "negative_elbo", "skipped"))
    # A rate that is never finite is undefined: the code is a point.
    return at, next((n for n in parts if not np.isfinite(metrics[n][at]) and np.isfinite(metrics[n]).any()), "loss")
