"""Every model of a sweep measured, and the table of scores over seeds."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vae_jax.distributions.kl import kl_standard_normal
from vae_jax.errors import InputError
from vae_jax.evaluation.codes import Codes
from vae_jax.evaluation.metrics.score import score_names
from vae_jax.evaluation.metrics.udr import SIMILARITIES, unsupervised_ranking
from vae_jax.evaluation.populations import Mean, ModelResult, SettingResult, in_order, settings
from vae_jax.progress import bar
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.storage.models import Models
from vae_jax.trained.model import Trained
from vae_jax.writing import plain, write_json

Measure = Callable[[Trained], dict[str, Any]]
SAMPLES = ("frechet", "kernel", "precision", "recall", "coverage")
TERMS = ("mutual_information", "total_correlation", "dimension_wise_kl")


@dataclass
class MeasuredModel:
    """A model of a sweep, and what was measured of it.

    Attributes:
      model: its setting and seed.
      measured: as from `evaluate_model`; None if it diverged.
      udr: similarity -> its agreement with the others of its setting.
    """

    model: ModelResult
    measured: dict[str, Any] | None
    udr: dict[str, dict[str, float]] | None = None

    def as_json(self) -> dict[str, Any]:
        """Its entry in the file."""
        agreement = {} if self.udr is None else {"udr": self.udr}
        return {"model": self.model.who, "measured": self.measured, **agreement}


def measure_models(models: Models, path: Path, asked: dict[str, Any], measure: Measure) -> list[MeasuredModel]:
    """Measure each model of a sweep that did not diverge; write the results to `path` one by one.

    Args:
      models: those in the sweep's folder.
      path: a JSON file; models of this sweep that it holds, measured as `asked` now, are not measured again.
      asked: what to measure, compared with what was measured before.
      measure: a function of one model.

    Raises:
      InputError: all models diverged.
    """
    where = {result.identity: at for result, at in models.rows()}
    results = in_order([result for result, _ in models.rows()])
    if all(result.diverged for result in results):
        raise InputError(
            f"all {len(results)} models of {models.folder} diverged; lower --learning-rate and train them again."
        )
    config = json.loads((models.folder / "config.json").read_text(encoding="utf-8"))
    free = resolve(models.config).free
    asked = {"sweep": {name: value for name, value in config.items() if name not in free}, **asked}
    known = {json.dumps(entry["model"]): entry["measured"] for entry in _known(path, asked)}
    entries: list[MeasuredModel] = []
    groups: dict[str, list[tuple[MeasuredModel, Codes, bool]]] = {}
    for result in bar(results, desc="measuring", unit="model"):
        entry = MeasuredModel(ModelResult(result.setting, result.seed, diverged=result.diverged), None)
        if not result.diverged:
            model = models.read(result, where[result.identity])
            before = known.get(json.dumps(result.who))
            entry.measured = plain(measure(model)) if before is None else before
            codes = model.codes(model.data.test, jax.random.key(0))
            groups.setdefault(json.dumps(dict(result.setting)), []).append((entry, codes, model.model.standard_prior))
        entries.append(entry)
        _write(path, asked, entries)
    for group in groups.values():
        rates = [_rates(codes, standard) for _, codes, standard in group]
        means = [np.asarray(codes.mean) for _, codes, _ in group]
        found = {name: unsupervised_ranking(means, rates, similarity=name) for name in SIMILARITIES}
        for index, (entry, *_) in enumerate(group):
            of_each = {name: {part: v[index] for part, v in of._asdict().items()} for name, of in found.items()}
            entry.udr = plain(of_each)
    _write(path, asked, entries)
    return entries


def _write(path: Path, asked: dict[str, Any], entries: Sequence[MeasuredModel]) -> None:
    write_json(path, {"asked": asked, "models": [entry.as_json() for entry in entries]}, indent=1)


def table(entries: Sequence[MeasuredModel]) -> tuple[list[SettingResult], dict[str, dict[str, float]]]:
    """The means of each setting with 95 % intervals over seeds; and the scores of a perfect code and of chance.

    UDR has no interval, since its values share pairs of models. Chance depends on the number of latents, and is left
    out if that differs between models.
    """
    rows, names, calibration = [], {}, {}
    for entry in entries:
        measures = _measures(entry)
        rows.append({**entry.model.who, **measures, "diverged": entry.measured is None})
        names |= dict.fromkeys(measures)
        for name in score_names() if entry.measured else ():
            score = entry.measured["disentanglement"].get(name) if entry.measured else None
            if score:
                of_one = {part: score[part] for part in ("perfect", "chance")}
                calibration.setdefault(name, of_one)
                calibration[name] = {part: v for part, v in of_one.items() if calibration[name].get(part) == v}
    return [_without_intervals_of_udr(entry) for entry in settings(rows, tuple(names))], calibration


def _without_intervals_of_udr(entry: SettingResult) -> SettingResult:
    """The entry without intervals of UDR: each value is a median over pairs, so they are not independent."""
    means = {n: Mean(mean.mean) if n.startswith("udr") else mean for n, mean in entry.measures.items()}
    return replace(entry, measures=means)


def _measures(entry: MeasuredModel) -> dict[str, Any]:
    """The numbers of one model that go into the table."""
    measured = entry.measured
    if measured is None:
        return {}
    numbers = {name: measured["test"][name] for name in ("negative_elbo", "rate", "distortion", "active_units")}
    likelihood = measured["log_likelihood"].get("log_likelihood")
    numbers["negative_log_likelihood"] = None if likelihood is None else -likelihood
    numbers |= {name: measured["aggregate_posterior"].get(name, [None])[0] for name in TERMS}
    of_samples = measured["sample_quality"].get("model", {})
    numbers |= {f"sample_{name}": of_samples.get(name) for name in SAMPLES}
    numbers |= {name: measured["disentanglement"].get(name, {}).get("value") for name in score_names()}
    for similarity, agreement in (entry.udr or {}).items():
        name = "udr" if similarity == "spearman" else f"udr_{similarity}"
        numbers |= {name: agreement["value"], f"{name}_chance": agreement["chance"]}
    return {name: value for name, value in numbers.items() if value is not None}


def _rates(codes: Codes, standard_prior: bool) -> np.ndarray:
    """Mean KL(q(z_j|x) ‖ N(0, 1)) in nats, `[latent]`; NaN if the posteriors are not normal.

    With another prior, what a normal latent tells about x, ½ ln(1 + Var E[z_j|x]/E Var[z_j|x]).
    """
    posterior = codes.posterior
    if posterior is None:
        return np.full(codes.mean.shape[1], np.nan)
    if not standard_prior:
        return 0.5 * np.log1p(np.var(posterior.mean, axis=0) / np.exp(posterior.log_var).mean(axis=0))
    return np.asarray(kl_standard_normal(posterior.mean, posterior.log_var).mean(axis=0))


def _known(path: Path, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The models that were already measured as `asked` now."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return saved["models"] if isinstance(saved, dict) and saved.get("asked") == json.loads(json.dumps(asked)) else []
