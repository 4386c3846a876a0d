"""The results of a population: a row for each model, and means over seeds with their intervals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.evaluation.rate_distortion import evaluate_elbo
from vae_jax.keys import Keys
from vae_jax.progress import bar
from vae_jax.training.driver import Population
from vae_jax.training.members import Members
from vae_jax.training.recipe import Recipe

MEASURES = ("rate", "distortion", "negative_elbo", "active_units")
Choice = float | int | str  # of a hyperparameter, a size, or something by its name


class _Record(Mapping[str, Any]):
    """A dataclass that can also be read as a row of a table: `record["beta"]`."""

    def flat(self) -> dict[str, Any]:
        """The columns of the row, in their order."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Any:
        return self.flat()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.flat())

    def __len__(self) -> int:
        return len(self.flat())


@dataclass(frozen=True, eq=False)
class ModelResult(_Record):
    """One model of a population: a row of `results.csv`.

    Attributes:
      setting: what was chosen for it: hyperparameters, sizes and names.
      seed: its seed.
      measures: its results on held-out data, such as `rate` in nats, and `rate_per_latent`; empty until it is measured.
      diverged: whether it diverged; its measures are then NaN, or None when read back from JSON.
    """

    setting: Mapping[str, Choice]
    seed: int
    measures: Mapping[str, Any] = field(default_factory=dict)
    diverged: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any], measures: Sequence[str] = ()) -> "ModelResult":
        """The result that a row holds.

        Args:
          row: as from `flat`, or read back from JSON.
          measures: more columns that are results, besides those of `evaluate`.
        """
        results = ("rate_per_latent", "log_jacobian", *MEASURES, *measures)
        chosen = {name: value for name, value in row.items() if name not in (*results, "seed", "diverged")}
        found = {name: row[name] for name in row if name in results}
        return cls(chosen, int(row["seed"]), found, bool(row.get("diverged", False)))

    @property
    def who(self) -> dict[str, Choice]:
        """What was chosen, and the seed, which together name one model of a sweep."""
        return {**self.setting, "seed": self.seed}

    @property
    def identity(self) -> tuple[tuple[str, Choice], ...]:
        """`who`, hashable."""
        return tuple(sorted(self.who.items()))

    @property
    def name(self) -> str:
        """`who` as a name, for files and TensorBoard: `learning_rate=0.001,beta=4,seed=0`."""
        numbers = {n: repr(v).removesuffix(".0") if isinstance(v, float) else v for n, v in self.who.items()}
        return ",".join(f"{name}={value}" for name, value in numbers.items())

    def flat(self) -> dict[str, Any]:
        end = {"diverged": self.diverged} if self.measures else {}
        return {**self.who, **self.measures, **end}


@dataclass(frozen=True, eq=False)
class Mean(_Record):
    """A mean over seeds.

    Attributes:
      mean: the mean; NaN if there are no values.
      interval: the ends of its 95 % interval; None with fewer than two values, or if they are not independent.
    """

    mean: float
    interval: tuple[float, float] | None = None

    @property
    def half_width(self) -> float:
        """Half the width of the interval; NaN if there is none."""
        return math.nan if self.interval is None else (self.interval[1] - self.interval[0]) / 2

    def words(self, digits: int) -> str:
        """`12.34 ± 0.05`; the mean alone if there is no interval."""
        half = self.half_width
        return f"{self.mean:.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")

    def flat(self) -> dict[str, Any]:
        return {"mean": self.mean, "interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True, eq=False)
class SettingResult(_Record):
    """The models that differ only in their seed.

    Attributes:
      setting: what was chosen for them.
      seeds: how many there are.
      diverged: how many of them did.
      measures: name -> its mean over those that did not.
    """

    setting: Mapping[str, Choice]
    seeds: int
    diverged: int
    measures: Mapping[str, Mean]

    def flat(self) -> dict[str, Any]:
        return {**self.setting, "seeds": self.seeds, "diverged": self.diverged, **self.measures}


def evaluate(recipe: Recipe, members: Members, population: Population, data: Examples) -> list[ModelResult]:
    """Each member on held-out data, as `evaluate_elbo` measures a single model.

    Args:
      recipe: static, shared by all.
      members: the runs; each seed gives the key of its evaluation.
      population: the trained members, in the same order.
      data: e.g. the test set.

    Returns:
      A row for each model: its hyperparameters, `seed`, `rate`, `distortion` and `negative_elbo` (β = 1) in nats per
      example, `active_units`, `rate_per_latent` and `diverged`. The measures of a model that diverged are NaN.
    """
    results = []
    for index in bar(range(members.count), desc="evaluating", unit="model", leave=False):
        row = members.named(index)
        measured = evaluate_elbo(recipe, population.params(index), Keys(int(row["seed"])).test, data)
        measures = {name: measured[name] for name in (*MEASURES, "rate_per_latent")}
        diverged = not bool(population.finite[index])
        if diverged:
            measures = {**dict.fromkeys(MEASURES, math.nan), "rate_per_latent": []}
        results.append(replace(ModelResult.of(row), measures=measures, diverged=diverged))
    return results


def settings(rows: Sequence[Mapping[str, Any]], measures: Sequence[str] = MEASURES) -> list[SettingResult]:
    """Models that differ only in their seed, grouped: the mean of each measure and its 95 % interval.

    The interval is Student's, mean ± t(n − 1)·s/√n over the n seeds that did not diverge; None with fewer than two.
    A measure that a model does not have is NaN.

    Args:
      rows: one for each model, as from `evaluate`.
      measures: the columns that are results.

    Returns:
      In the order of first appearance.
    """
    groups: dict[tuple, list[ModelResult]] = {}
    for row in rows:
        result = ModelResult.of(row, measures)
        groups.setdefault(tuple(result.setting.items()), []).append(result)
    entries = []
    for group in groups.values():
        kept = [result for result in group if not result.diverged]
        means = {name: _mean([result.measures.get(name, math.nan) for result in kept]) for name in measures}
        entries.append(SettingResult(group[0].setting, len(group), len(group) - len(kept), means))
    return entries


def _mean(values: Sequence[Any]) -> Mean:
    from scipy.stats import t

    numbers = np.array(values, float)
    mean = float(numbers.mean()) if len(numbers) else math.nan
    if len(numbers) < 2:
        return Mean(mean)
    half = float(t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Mean(mean, (mean - half, mean + half))


def varied(entries: Sequence[SettingResult]) -> list[str]:
    """The choices in which entries of `settings` differ."""
    return [name for name in entries[0].setting if len({entry.setting.get(name) for entry in entries}) > 1]


def about_intervals(entries: Sequence[SettingResult]) -> str:
    """What ± means in a table, or why there is none."""
    alone = all(entry.seeds - entry.diverged < 2 for entry in entries)
    return "One seed for each setting, so no intervals." if alone else "±: 95 % interval over seeds."


def in_order(results: Sequence[ModelResult]) -> list[ModelResult]:
    """Each model once, sorted by setting and then by seed: the same table whichever process trained which model."""
    once = {(*sorted(result.setting.items()), ("seed", result.seed)): result for result in results}
    return [once[names] for names in sorted(once, key=lambda names: [(k, str(type(v)), v) for k, v in names])]


def first_of_each(results: Sequence[ModelResult], name: str) -> list[ModelResult]:
    """The first model that did not diverge for each value of a choice."""
    first: dict[Any, ModelResult] = {}
    for result in results:
        if not result.diverged:
            first.setdefault(result.setting.get(name), result)
    return list(first.values())
