"""Driving the pure training functions from Python: one model or a thousand, whose states stay on the devices."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.errors import InputError
from vae_jax.models.part import Params
from vae_jax.progress import bar
from vae_jax.training import pure
from vae_jax.training.divergence import DivergedError, divergence, means_of, names_of, skipped_in_a_row
from vae_jax.training.feed import Resident, Streamed
from vae_jax.training.layout import Layout, lay_out
from vae_jax.training.members import Members
from vae_jax.training.memory import members_that_fit
from vae_jax.training.pure import State
from vae_jax.training.recipe import Recipe


class Population(NamedTuple):
    """Members between two epochs, on the devices that train them.

    Attributes:
      layout: how they are laid out over the devices.
      calls: states on the devices, grouped by call of the program.
      bad: `[n]`, the first step at which a member's loss or new state was not finite; −1 if none.
      metrics: name -> `[n]`, means over the last epoch, in nats; empty before the first epoch.
      causes: `[n]`, what was not finite then, such as "rate"; "" if nothing was, or if that was in an earlier process.
    """

    layout: Layout
    calls: list[State]
    bad: np.ndarray
    metrics: dict[str, np.ndarray]
    causes: Sequence[str] = ()

    @property
    def finite(self) -> np.ndarray:
        """`[n]`, whether everything has been finite so far. A member that diverged keeps the state from before."""
        return self.bad < 0

    def state(self, index: int) -> State:
        """One member's state, on its device."""
        return self.layout.one(self.calls, index)

    def params(self, index: int) -> Params:
        """One member's parameters, for `model.decode` and the rest."""
        return self.layout.one([call.evaluated for call in self.calls], index)

    def states(self) -> State:
        """The states of all members on the host, leaves `[n, …]`."""
        return self.layout.fetch(self.calls)

    def measure(self, function: Callable, own: Any, shared: Any) -> Any:
        """`function(params, own, shared)` for every member, mapped like the steps; leaves `[n, …]` on the host.

        Args:
          function: compiled for the layout by `Layout.lift(…, 2, 1)`.
          own: inputs of each member, already placed.
          shared: inputs that all members share, already placed.
        """
        results = [function(call.evaluated, part, shared) for call, part in zip(self.calls, own, strict=True)]
        return self.layout.fetch(results)


class Epoch(NamedTuple):
    """A report from training.

    Attributes:
      done: epochs completed.
      population: as it is now; its buffers are donated at the next iteration, so use it before then.
      metrics: name -> `[n, epochs since the last report]`, means over steps, in nats.
    """

    done: int
    population: Population
    metrics: dict[str, np.ndarray]


def fit(
    recipe: Recipe,
    members: Members,
    data: Examples,
    *,
    epochs: int,
    start: Population | None = None,
    layout: Layout | None = None,
    together: int | None = 1,
    stream: bool = False,
    progress: bool = True,
) -> Iterator[Epoch]:
    """Train members up to `epochs`, from wherever they are, and report after every `together` of them.

    The numbers are those of `run`, bit for bit per step where members run one after another. Long epochs
    run in several parts of one compiled size, so that progress can be shown.

    Args:
      recipe: static, shared by all.
      members: the runs; each has its own key, order of the data and hyperparameters.
      data: the training set, shared by all.
      epochs: how many in all; those that the population has already completed are not run again.
      start: a population to continue from; its buffers are donated.
      layout: how they are laid out over the devices; by default `lay_out` over all.
      together: epochs between two reports; None runs short epochs together in one call.
      stream: whether to read the data batch by batch from host memory or a memory-mapped file, for a single member; the
        numbers are the same. By default each device holds all of the data.
      progress: whether to show a bar.

    Yields:
      An `Epoch` for each report. Stops early once no member is finite. The states are always finite: a member that
      diverges keeps the state from before that call, and is trained no further.

    Raises:
      InputError: the data do not fill one batch, or `stream` with several members.
    """
    layout = start.layout if start else layout or lay_out(members.count)
    in_epoch = pure.steps_per_epoch(recipe, data)
    together = 1 if stream else together or epochs_together(in_epoch, epochs)
    feed = Streamed(recipe, layout, data) if stream else Resident(recipe, layout, data, together)
    who = layout.place((jax.random.key_data(members.keys), members.hypers))
    start = start or begin(recipe, members, data, layout)
    calls, bad, causes = list(start.calls), np.array(start.bad), list(start.causes or [""] * members.count)
    leaves, skipped = names_of(calls[0]), [0] * members.count  # steps skipped in a row
    done = _steps_done(layout, calls) // in_epoch
    if np.all(bad >= 0):
        return
    each = recipe.batch_size * members.count  # images in one step of all members
    all_images, seen = epochs * in_epoch * each, done * in_epoch * each
    with bar(total=all_images, initial=seen, unit="image", unit_scale=True, progress=progress) as words:
        for index in range(done, epochs, together):
            words.set_description(f"epoch {index + 1}/{epochs}", refresh=False)
            parts = []
            for part in feed.parts(index, [key for key, _ in who]):
                results, begun = [], np.int32(index * in_epoch + part.first)
                for slot, ((key, hyper), inputs) in enumerate(zip(who, part.inputs, strict=True)):
                    calls[slot], result = feed.advance(calls[slot], key, hyper, *inputs, begun)
                    results.append(result)
                metrics, wrong = layout.fetch(results)
                parts.append(metrics)
                for member in np.flatnonzero(bad < 0):
                    of_member = {name: values[member] for name, values in metrics.items()}
                    longest = 0
                    if "skipped" in of_member:
                        longest, skipped[member] = skipped_in_a_row(of_member["skipped"], skipped[member])
                    at, causes[member] = divergence(of_member, leaves, int(wrong[member]), longest)
                    bad[member] = begun + at if at >= 0 else -1
                words.set_postfix_str(_words(parts[-1], bad), refresh=False)
                words.update(part.steps * each)
                if np.all(bad >= 0):
                    break
            values = {name: np.concatenate([one[name] for one in parts], axis=1) for name in parts[0]}
            means = means_of(values, in_epoch, stale=(bad >= 0) & (bad < index * in_epoch))
            last = {name: values[:, -1] for name, values in means.items()}
            yield Epoch(index + together, Population(layout, calls, bad.copy(), last, tuple(causes)), means)
            if np.all(bad >= 0):
                return


def begin(recipe: Recipe, members: Members, data: Examples, layout: Layout | None = None) -> Population:
    """Members before their first step.

    Args:
      recipe: static, shared by all.
      members: the runs.
      data: the training set, leaves `[n, …]`; the first example gives all shapes.
      layout: how they are laid out over the devices; by default `lay_out` over all.
    """
    layout = layout or lay_out(members.count)
    first = layout.share(jax.tree.map(lambda leaf: leaf[:1], data))  # one example determines all shapes
    init = _initial(recipe, layout)
    calls = [init(key, first) for key in layout.place(jax.random.key_data(members.keys))]
    return Population(layout, calls, np.full(members.count, -1, np.int32), {})


def starting_at(population: Population, params: Params) -> Population:
    """Members before their first step, with parameters of another model in place of those that were drawn.

    Args:
      population: as from `begin`; parts that the other model has not, such as critics, keep what was drawn.
      params: those of one model, which all members start from.

    Raises:
      InputError: they are of a model of another shape.
    """
    states = population.states()
    found = dict(states.params)
    for part in params.keys() & found.keys():
        (new, shape), (old, other) = (jax.tree.flatten(tree) for tree in (params[part], found[part]))
        if shape != other or any(a.shape != b.shape[1:] for a, b in zip(new, old, strict=True)):
            raise InputError(
                f"the {part} of the model to start from is of another shape; expected the same `model`, `hidden`, "
                "`latent`, posterior, likelihood and prior, and data of the same shape."
            )
        found[part] = jax.tree.map(lambda a, b: np.broadcast_to(np.asarray(a), b.shape), params[part], found[part])
    average = None if states.average is None else found
    placed = population.layout.place(states._replace(params=found, average=average))
    return population._replace(calls=placed)


def sweep(
    recipe: Recipe,
    members: Members,
    data: Examples,
    *,
    epochs: int,
    chunk: int | None = None,
    devices: Sequence[Any] | None = None,
    within: str | None = None,
    over: str | None = None,
    progress: bool = True,
) -> Population:
    """Train every member to the end, as one compiled program.

    Members share the program and nothing else: each has its own key, order of the data and hyperparameters, so its
    result is that of `run` with the same key, up to rounding.

    Args:
      recipe: static, shared by all.
      members: from `grid` or `members_of`.
      data: the training set, shared by all.
      epochs: how many for each.
      chunk: members trained at a time; by default as many as fit the devices' memory.
      devices: all by default.
      within: how the members of one device run; see `Layout`.
      over: how members spread over devices; see `Layout`.
      progress: whether to show a bar.

    Returns:
      The trained population, in the order of `members`.
    """
    whole = lay_out(members.count, devices, within, over)
    most = chunk or members_that_fit(recipe, data, devices=whole.devices, within=whole.within)
    parts = []
    for index in np.array_split(np.arange(members.count), -(-members.count // most)):
        part = members.take(index)
        layout = lay_out(part.count, whole.devices, within, over)
        population = begin(recipe, part, data, layout)
        run = fit(recipe, part, data, epochs=epochs, start=population, together=None, progress=progress)
        for word in run:
            population = word.population
        parts.append(population)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[Population]) -> Population:
    """Parts that were trained one after another, as one population on the host."""
    trees = [(part.states(), part.bad, part.metrics) for part in parts]
    states, bad, metrics = jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)
    causes = [cause for part in parts for cause in part.causes]
    return Population(Layout(len(bad), parts[0].layout.devices[:1], "vmap"), [states], bad, metrics, causes)


def train_one(recipe: Recipe, members: Members, data: Examples, *, epochs: int, progress: bool = True) -> Params:
    """The parameters of a single run after all its epochs.

    Args:
      recipe: static.
      members: a population of one.
      data: the training set.
      epochs: how many.
      progress: whether to show a bar.

    Raises:
      DivergedError: the loss or the state is no longer finite; names the step.
      InputError: the data do not fill one batch.
    """
    population = sweep(recipe, members, data, epochs=epochs, progress=progress)
    expect_finite(population, pure.steps_per_epoch(recipe, data), skips=recipe.skip_nonfinite)
    return population.params(0)


def expect_finite(population: Population, in_epoch: int, *, skips: bool = False) -> None:
    """Fail if no member is finite; the message says what diverged, and at which step.

    Args:
      population: trained members.
      in_epoch: steps in an epoch.
      skips: whether the recipe skips steps that are not finite, for the message.

    Raises:
      DivergedError: all members have diverged.
    """
    if not population.finite.any():
        member = int(population.bad.argmax())
        step = int(population.bad[member])
        cause = (population.causes[member] if population.causes else "") or "loss"
        raise DivergedError(
            f"the {cause} became NaN or infinite at step {step} (epoch {step // in_epoch + 1})"
            f"{', and no step after it could be kept' if skips else ''}; expected a finite one. "
            "Lower `learning_rate`, look for outliers in the data, or `standardise` rows of features"
            f"{'' if skips else '; `on_nonfinite=skip` leaves such steps out'}."
        )


def epochs_together(in_epoch: int, epochs: int, most: int = 100) -> int:
    """How many short epochs one call of the program runs: the largest divisor of `epochs` within `most` steps.

    Args:
      in_epoch: steps in an epoch.
      epochs: how many in all.
      most: steps in one call, at most; a longer epoch has a call of its own.
    """
    return max(
        count for count in range(1, epochs + 1) if epochs % count == 0 and (count == 1 or count * in_epoch <= most)
    )


# Programs take raw key data: JAX's reuse checker counts a typed key that a loop folds at each step as consumed.


@lru_cache(maxsize=64)
def _initial(recipe: Recipe, layout: Layout) -> Callable:
    """Initial states, compiled once for all keys."""

    def init(key, data):
        return pure.init(recipe, jax.random.wrap_key_data(key), data)

    return layout.lift(init, 1, 1)


def _steps_done(layout: Layout, calls: Sequence[State]) -> int:
    return int(np.max(layout.fetch([call.step for call in calls])))  # members that diverged no longer count up


def _words(metrics: dict[str, np.ndarray], bad: np.ndarray) -> str:
    if len(bad) > 1:
        return f"{len(bad)} models" + (f", {(bad >= 0).sum()} diverged" if np.any(bad >= 0) else "")
    rate = metrics["rate"].mean()
    kl = "" if np.isnan(rate) else f", KL {rate:.2f}"  # a point posterior has none
    return f"reconstruction {metrics['distortion'].mean():.2f}{kl} nats"
