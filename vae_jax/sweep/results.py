"""What a population came to: a row a model, and over seeds a mean with its interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vae_jax.data.table import Examples
from vae_jax.evaluation import evaluate_elbo
from vae_jax.keys import Keys
from vae_jax.run_folder import replace_file
from vae_jax.sweep.members import Members
from vae_jax.sweep.population import Population
from vae_jax.training import Recipe

Row = dict[str, Any]
MEASURES = ("rate", "distortion", "negative_elbo", "active_units")


def evaluate(recipe: Recipe, members: Members, population: Population, data: Examples) -> list[Row]:
    """Each member on held-out data, as `evaluate_elbo` and `experiments/train.py` measure a single model.

    Returns:
      A row a model: its hyperparameters, `seed`, `rate`, `distortion` and `negative_elbo` (β = 1) in nats per example,
      `active_units`, `rate_per_latent` and `diverged`. The measures of a model that diverged are NaN.
    """
    rows = []
    for index in tqdm(range(len(members.seeds)), desc="evaluating", unit="model", leave=False):
        row = members.named(index)
        measured = evaluate_elbo(recipe, population.params(index), Keys(int(row["seed"])).test, data)
        found = {name: measured[name] for name in (*MEASURES, "rate_per_latent")}
        diverged = not bool(population.finite[index])
        if diverged:
            found = {**dict.fromkeys(MEASURES, float("nan")), "rate_per_latent": []}
        rows.append({**row, **found, "diverged": diverged})
    return rows


def settings(rows: Sequence[Row], measures: Sequence[str] = MEASURES) -> list[Row]:
    """Rows that differ in nothing but their seed, gathered: of each measure the mean and its 95 % interval.

    The interval is Student's, mean ± t(n − 1)·s/√n over the n seeds that did not diverge; None with fewer than two.
    What a model does not have is NaN.

    Args:
      rows: of models.
      measures: the columns that are results.

    Returns:
      In the order of first appearance: the setting, `seeds`, `diverged` (how many), and for each measure
      `{"mean": …, "interval": [low, high]}`.
    """
    from scipy.stats import t

    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(setting(row, measures).items()), []).append(row)
    found = []
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
        found.append(entry)
    return found


def setting(row: Mapping[str, Any], measures: Sequence[str] = ()) -> Row:
    """A row without its seed and its results: what was chosen."""
    left_out = ("seed", "rate_per_latent", "diverged", *MEASURES, *measures)
    return {name: value for name, value in row.items() if name not in left_out}


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Each model once, sorted by what was chosen and then by seed: the same table whoever trained which."""
    once = {(*sorted(setting(row).items()), ("seed", row["seed"])): row for row in rows}
    return [once[names] for names in sorted(once, key=lambda names: [(k, str(type(v)), v) for k, v in names])]


def first_of_each(rows: Sequence[Row], name: str) -> list[Row]:
    """Of the models that did not diverge, the first with each value of `name`, as `setting` and `seed` alone."""
    found: dict[Any, Row] = {}
    for row in rows:
        if not row["diverged"]:
            found.setdefault(row.get(name), {**setting(row), "seed": row["seed"]})
    return list(found.values())


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """A row a model; numbers to six digits, the rates of the latents in one column with spaces between them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(_text(row.get(name, "")) for name in names) for row in rows]
    replace_file(path, "\n".join(lines) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    if value is None:
        return "nan"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
