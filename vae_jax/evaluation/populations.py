"""The results of a population: a row for each model, and means over seeds with their intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.evaluation.rate_distortion import evaluate_elbo
from vae_jax.keys import Keys
from vae_jax.progress import bar
from vae_jax.training.driver import Population
from vae_jax.training.members import Members
from vae_jax.training.recipe import Recipe

Row = dict[str, Any]
MEASURES = ("rate", "distortion", "negative_elbo", "active_units")


def evaluate(recipe: Recipe, members: Members, population: Population, data: Examples) -> list[Row]:
    """Each member on held-out data, as `evaluate_elbo` measures a single model.

    Returns:
      A row for each model: its hyperparameters, `seed`, `rate`, `distortion` and `negative_elbo` (β = 1) in nats per
      example, `active_units`, `rate_per_latent` and `diverged`. The measures of a model that diverged are NaN.
    """
    rows = []
    for index in bar(range(members.count), desc="evaluating", unit="model", leave=False):
        row = members.named(index)
        measured = evaluate_elbo(recipe, population.params(index), Keys(int(row["seed"])).test, data)
        results = {name: measured[name] for name in (*MEASURES, "rate_per_latent")}
        diverged = not bool(population.finite[index])
        if diverged:
            results = {**dict.fromkeys(MEASURES, float("nan")), "rate_per_latent": []}
        rows.append({**row, **results, "diverged": diverged})
    return rows


def settings(rows: Sequence[Row], measures: Sequence[str] = MEASURES) -> list[Row]:
    """Rows that differ only in their seed, grouped: the mean of each measure and its 95 % interval.

    The interval is Student's, mean ± t(n − 1)·s/√n over the n seeds that did not diverge; None with fewer than two.
    What a model does not have is NaN.

    Args:
      rows: one for each model.
      measures: the columns that are results.

    Returns:
      In the order of first appearance: the setting, `seeds`, `diverged` (how many), and for each measure
      `{"mean": …, "interval": [low, high]}`.
    """
    from scipy.stats import t

    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(setting(row, measures).items()), []).append(row)
    entries = []
    for group in groups.values():
        whole = [row for row in group if not row["diverged"]]
        entry: Row = {**setting(group[0], measures), "seeds": len(group), "diverged": len(group) - len(whole)}
        for name in measures:
            values = np.array([row.get(name, np.nan) for row in whole], float)
            mean = float(values.mean()) if len(values) else float("nan")
            interval = None
            if len(values) > 1:
                half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
                interval = [mean - half, mean + half]
            entry[name] = {"mean": mean, "interval": interval}
        entries.append(entry)
    return entries


def setting(row: Mapping[str, Any], measures: Sequence[str] = ()) -> Row:
    """A row without its seed and its results: what was chosen."""
    left_out = ("seed", "rate_per_latent", "diverged", *MEASURES, *measures)
    return {name: value for name, value in row.items() if name not in left_out}


def who(row: Mapping[str, Any]) -> Row:
    """A row without its results: what was chosen, and the seed. It names one model of a sweep."""
    return {**setting(row), "seed": row["seed"]}


def identity(row: Mapping[str, Any]) -> tuple:
    """`who`, hashable."""
    return tuple(sorted(who(row).items()))


def name_of(row: Mapping[str, Any]) -> str:
    """`who` as a name, for files and TensorBoard: `learning_rate=0.001,beta=4,seed=0`."""
    numbers = {n: repr(v).removesuffix(".0") if isinstance(v, float) else v for n, v in who(row).items()}
    return ",".join(f"{name}={value}" for name, value in numbers.items())


def setting_of(entry: Row) -> Row:
    """The choices of an entry of `settings`, without its measures."""
    chosen = {name: value for name, value in setting(entry).items() if not isinstance(value, dict)}
    return {name: value for name, value in chosen.items() if name not in ("seeds", "seconds")}


def varied(entries: Sequence[Row]) -> list[str]:
    """The choices in which entries of `settings` differ."""
    names = setting_of(entries[0])
    return [name for name in names if len({entry.get(name) for entry in entries}) > 1]


def half_width(measure: Row) -> float:
    """Half the width of an interval; NaN where there is none, as with one seed."""
    return float("nan") if measure["interval"] is None else (measure["interval"][1] - measure["interval"][0]) / 2


def in_words(measure: Row, digits: int) -> str:
    """The mean and its interval, `12.34 ± 0.05`; the mean alone where there is no interval."""
    half = half_width(measure)
    return f"{measure['mean']:.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")


def about_intervals(entries: Sequence[Row]) -> str:
    """What ± means in a table, or why it is not there."""
    alone = all(entry["seeds"] - entry["diverged"] < 2 for entry in entries)
    return "One seed for each setting, so no intervals." if alone else "±: 95 % interval over seeds."


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Each model once, sorted by what was chosen and then by seed: the same table, whichever process trained which."""
    once = {(*sorted(setting(row).items()), ("seed", row["seed"])): row for row in rows}
    return [once[names] for names in sorted(once, key=lambda names: [(k, str(type(v)), v) for k, v in names])]


def first_of_each(rows: Sequence[Row], name: str) -> list[Row]:
    """The first model that did not diverge for each value of `name`, as `setting` and `seed` only."""
    first: dict[Any, Row] = {}
    for row in rows:
        if not row["diverged"]:
            first.setdefault(row.get(name), who(row))
    return list(first.values())
