"""Which model of a sweep is meant: by its setting, or the best by what was measured without the test set."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vae_jax.errors import InputError, nearest
from vae_jax.evaluation.metrics.score import SCORES
from vae_jax.evaluation.populations import ModelResult
from vae_jax.runs.configuration.config import SweepConfig
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.rows import Rows

VALIDATED = ("negative_elbo", "distortion", "objective")  # of validation images; lower is better
APART = ("loss", "likelihood", "preprocess", "data")  # choices whose negative ELBOs are not of one scale

Entry = tuple[ModelResult, Any]  # a model, and where it is


def choose(models: Any, *, best: str | None = None, which: Mapping[str, Any] | None = None) -> Entry:
    """The model that is meant: of those with the values `which`, the best by `best`.

    Without either, the model of a sweep with the lowest negative ELBO on the validation examples; a line says which.
    Test figures choose nothing. Models that diverged are passed over.

    Args:
      models: a `Models`.
      best: `negative_elbo`, `distortion` or `objective`, of the validation examples; or a score of disentanglement that
        `evaluate.py` measured.
      which: name -> value, as in results.csv.

    Raises:
      InputError: no finished model, none with these values, or several that cannot be compared.
    """
    which = dict(which or {})
    entries = [entry for entry in models.rows() if all(entry[0].who.get(n) == v for n, v in which.items())]
    if not entries:
        raise InputError(_none(models, which))
    entries = [entry for entry in entries if not entry[0].diverged] or entries
    if best is None and (len(entries) == 1 or not models.config.kind.names_models):
        return entries[0]
    return _best(models, entries, best)


def _best(models: Any, entries: Sequence[Entry], best: str | None) -> Entry:
    name = best or "negative_elbo"
    values, lower = _values(models, entries, name, asked=best is not None)
    at = int(np.nanargmin(values if lower else -values))
    chosen = entries[at]
    who = ", ".join(f"{key}={value}" for key, value in _telling(entries, chosen[0]).items())
    of = "validation " if name in VALIDATED else ""
    words = f"{who} is taken, the best of {len(entries)} models by {of}{name} ({values[at]:.4g})"
    print(f"{models.folder}: {words}.", file=sys.stderr)
    return chosen


def _values(models: Any, entries: Sequence[Entry], name: str, *, asked: bool) -> tuple[np.ndarray, bool]:
    """The measure of each model, and whether lower is better."""
    if name in SCORES:
        return _scores(models, entries, name), False
    if name not in VALIDATED:
        raise InputError(f"`best={name}`: {nearest(name, (*VALIDATED, *SCORES))} Test figures choose no model.")
    config = models.config
    assert isinstance(config, SweepConfig)
    varied = [choice for choice in APART if len({entry[0].who.get(choice) for entry in entries}) > 1]
    if varied and name != "distortion":
        raise InputError(
            f"{models.folder} varies {varied[0]}, whose {name} are not of one scale; choose one with "
            f"`which={varied[0]}={entries[0][0].who[varied[0]]}`, or by a score, as in `best=mig`."
        )
    if name == "negative_elbo" and resolve(config).loss.point:
        raise InputError(
            f"{models.folder}: the code of {config.loss} is a point, which has no ELBO; choose with `which`, or "
            "`best=distortion`."
        )
    rows = {(row.get("model", ""), row["epoch"]): row for row in Rows(models.folder / "metrics.jsonl").read()}
    found = []
    for result, at in entries:
        row = rows.get((ModelResult(result.setting, result.seed).name, models.kept_epoch(at)), {})
        value = row.get("validation", {}).get(name)
        found.append(np.nan if value is None else value)
    values = np.array(found, np.float64)
    if np.isnan(values).all():
        raise InputError(f"{models.folder} has no validation {name} in metrics.jsonl; choose with `which`.")
    return values, True


def _scores(models: Any, entries: Sequence[Entry], name: str) -> np.ndarray:
    path = models.folder / "evaluation.json"
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))["models"]
        known = {json.dumps(one["model"]): (one["measured"] or {}).get("disentanglement", {}) for one in measured}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known = {}
    found = [known.get(json.dumps(result.who), {}).get(name, {}) for result, _ in entries]
    values = np.array([one.get("value", np.nan) if isinstance(one, dict) else np.nan for one in found], np.float64)
    if np.isnan(values).all():
        raise InputError(f"`best={name}`: it was not measured in {models.folder}; run evaluate.py on it first.")
    return values


def _telling(entries: Sequence[Entry], chosen: ModelResult) -> dict[str, Any]:
    """What tells a model from the others."""
    who = chosen.who
    return {name: value for name, value in who.items() if len({entry[0].who.get(name) for entry in entries}) > 1}


def _none(models: Any, which: Mapping[str, Any]) -> str:
    folder, kind = models.folder, models.config.kind
    asked = ", ".join(f"{name}={value}" for name, value in which.items())
    if kind.names_models:
        has = f" with {asked}" if asked else ""
        return f"{folder} holds no finished model{has}; see its results.csv for those that are there."
    if asked and models.parts:
        return f"{folder} is a run of one model, which is not one with {asked}; leave that out."
    return f"{folder} has no finished epoch; go on with it: {kind.script} --out {folder} --resume."
