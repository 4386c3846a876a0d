"""Every model of a sweep measured, and over seeds the table and the picture of its scores."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from vae_jax import figures
from vae_jax.disentanglement import SCORES, unsupervised_ranking
from vae_jax.distributions import Normal
from vae_jax.errors import InputError
from vae_jax.evaluation import encode_all
from vae_jax.experiment import Experiment
from vae_jax.losses import kl_standard_normal
from vae_jax.model import Params
from vae_jax.run_folder import plain, replace_file
from vae_jax.sweep import folder
from vae_jax.sweep.cells import FREE
from vae_jax.sweep.pictures import half_width, lines_of
from vae_jax.sweep.results import Row, in_order, setting, settings

Measure = Callable[[Experiment, Params], dict[str, Any]]
TERMS = ("mutual_information", "total_correlation", "dimension_wise_kl")


def assess(out: Path, path: Path, asked: dict[str, Any], measure: Measure) -> list[Row]:
    """Measure each model of a sweep that did not diverge; write them to `path` one by one.

    Args:
      out: the sweep's folder.
      path: of a JSON file; models that are in it, of this sweep and measured as is `asked` now, are not measured again.
      asked: what is measured, to be compared with what was.
      measure: of one model.

    Returns:
      A row a model: `model`, its setting and seed; `measured`, None if it diverged; and `udr`, the agreement with the
      others of its setting.

    Raises:
      InputError: all models diverged.
    """
    rows = in_order([row for chunk in folder.read_chunks(out / "checkpoints") for row in chunk.rows or []])
    if all(row["diverged"] for row in rows):
        raise InputError(f"all {len(rows)} models of {out} diverged; lower --learning-rate and train them again.")
    config = json.loads((out / "config.json").read_text())
    asked = {"sweep": {name: value for name, value in config.items() if name not in FREE}, **asked}
    known = {json.dumps(entry["model"]): entry for entry in _known(path, asked)}
    found: list[Row] = []
    codes: dict[str, list[tuple[Row, Any]]] = {}
    for row in tqdm(rows, desc="measuring", unit="model"):
        who = {**setting(row), "seed": row["seed"]}
        entry = known.get(json.dumps(who))
        if row["diverged"]:
            entry = {"model": who, "measured": None}
        else:
            experiment, params, _ = folder.load(out, **who)
            entry = entry or plain({"model": who, "measured": measure(experiment, params)})
            posterior = encode_all(experiment.recipe, params, jax.random.key(0), experiment.data.test)
            codes.setdefault(json.dumps(setting(row)), []).append((entry, posterior))
        found.append(entry)
        replace_file(path, json.dumps({"asked": asked, "models": found}, indent=1) + "\n")
    for group in codes.values():
        rates = [_rates(posterior) for _, posterior in group]
        agreement = unsupervised_ranking([np.asarray(posterior.mean) for _, posterior in group], rates)
        for (entry, _), value in zip(group, agreement, strict=True):
            entry["udr"] = plain(float(value))
    replace_file(path, json.dumps({"asked": asked, "models": found}, indent=1) + "\n")
    return found


def table(models: Sequence[Row]) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Of each setting the means with 95 % intervals over seeds; and ceiling and chance of the scores.

    Chance depends on the number of latents: where they differ between models, it is left out.
    """
    rows, names, calibration = [], {}, {}
    for entry in models:
        found = _measures(entry)
        rows.append({**entry["model"], **found, "diverged": entry["measured"] is None})
        names |= dict.fromkeys(found)
        for name in SCORES if entry["measured"] else ():
            score = entry["measured"]["disentanglement"].get(name)
            if score:
                of_one = {part: score[part] for part in ("ceiling", "chance")}
                calibration.setdefault(name, of_one)
                calibration[name] = {part: v for part, v in of_one.items() if calibration[name].get(part) == v}
    return settings(rows, tuple(names)), calibration


def _measures(entry: Row) -> dict[str, Any]:
    """The numbers of one model that the table has."""
    measured = entry["measured"]
    if measured is None:
        return {}
    found = {name: measured["test"][name] for name in ("negative_elbo", "rate", "distortion", "active_units")}
    found["log_likelihood"] = measured["log_likelihood"].get("log_likelihood")
    found |= {name: measured["aggregate_posterior"].get(name, [None])[0] for name in TERMS}
    found["feature_mmd2"] = measured["sample_quality"].get("feature_mmd2")
    found |= {name: measured["disentanglement"].get(name, {}).get("value") for name in SCORES}
    found["udr"] = entry["udr"]
    return {name: value for name, value in found.items() if value is not None}


def _rates(posterior: Any) -> np.ndarray:
    """Mean KL(q(z_j|x) ‖ N(0, 1)), `[latent]`; NaN for points."""
    if not isinstance(posterior, Normal):
        return np.full(posterior.mean.shape[1], np.nan)
    return np.asarray(kl_standard_normal(posterior.mean, posterior.log_var).mean(axis=0))


def picture(entries: Sequence[Row], calibration: dict[str, dict[str, float]], path: Path) -> Path:
    """Scores against β with 95 % intervals over seeds, each between its chance level and its ceiling."""
    from matplotlib.figure import Figure

    names = [name for name in (*SCORES, "udr") if any(name in entry for entry in entries)]
    columns = min(len(names), 4)
    height = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * height + 0.6), layout="constrained")
    axes = np.ravel(figure.subplots(height, columns, squeeze=False))
    for axis, name in zip(axes, names, strict=False):
        for label, line in lines_of(entries).items():
            means = np.array([entry[name]["mean"] for entry in line], float)
            half = [half_width(entry[name]) for entry in line]
            betas = [entry["beta"] for entry in line]
            axis.errorbar(betas, means, yerr=half, fmt="o-", ms=4, capsize=3, lw=1, label=label or "mean over seeds")
        for part, style in (("ceiling", "--"), ("chance", ":")):
            if part in calibration.get(name, {}):
                axis.axhline(calibration[name][part], color="0.4", ls=style, lw=1, label=part)
        axis.set(title=name, xlabel="β", ylim=(-0.05, 1.05))
        ticks = sorted({entry["beta"] for entry in entries})
        if min(ticks) > 0:
            axis.set_xscale("log")
            axis.set_xticks(ticks, [f"{beta:g}" for beta in ticks])
            axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")
    figure.suptitle("disentanglement scores of the models of each β; bars: 95 % interval over seeds")
    return figures.save(figure, path)


def _known(path: Path, asked: dict[str, Any]) -> list[Row]:
    """Models that were measured as they are to be measured now."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return found["models"] if isinstance(found, dict) and found.get("asked") == json.loads(json.dumps(asked)) else []
