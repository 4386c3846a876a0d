"""Every model of a sweep measured, and over seeds the table and the picture of its scores."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vae_jax import figures
from vae_jax.disentanglement import SCORES, unsupervised_ranking
from vae_jax.evaluation import encode_all
from vae_jax.experiment import Experiment
from vae_jax.model import Params
from vae_jax.run_folder import plain, replace_file
from vae_jax.sweep import folder
from vae_jax.sweep.results import Row, in_order, setting, settings

Measure = Callable[[Experiment, Params], dict[str, Any]]
TERMS = ("mutual_information", "total_correlation", "dimension_wise_kl")


def assess(out: Path, path: Path, asked: dict[str, Any], measure: Measure) -> list[Row]:
    """Measure each model of a sweep that did not diverge; write them to `path` one by one.

    Args:
      out: the sweep's folder.
      path: of a JSON file; models that are in it, measured as is `asked` now, are not measured again.
      asked: what is measured, to be compared with what was.
      measure: of one model.

    Returns:
      A row a model: its setting and seed, `measured`, and `udr`, the agreement with the others of its setting.
    """
    rows = in_order([row for chunk in folder.read_chunks(out / "checkpoints") for row in chunk.rows or []])
    found = _known(path, asked)
    codes: dict[tuple, list[tuple[Row, np.ndarray]]] = {}
    for row in tqdm([row for row in rows if not row["diverged"]], desc="measuring", unit="model"):
        who = {**setting(row), "seed": row["seed"]}
        experiment, params, _ = folder.load(out, **who)
        entry = next((known for known in found if known["model"] == who), None)
        if entry is None:
            entry = plain(
                {"model": who, "rate_per_latent": row["rate_per_latent"], "measured": measure(experiment, params)}
            )
            found.append(entry)
            replace_file(path, json.dumps({"asked": asked, "models": found}, indent=1) + "\n")
        posterior = encode_all(experiment.recipe, params, experiment.keys.test, experiment.data.test)
        codes.setdefault(tuple(setting(row).items()), []).append((entry, np.asarray(posterior.mean)))
    for group in codes.values():
        rates = [np.array(entry["rate_per_latent"], float) for entry, _ in group]
        agreement = unsupervised_ranking([code for _, code in group], rates)
        for (entry, _), value in zip(group, agreement, strict=True):
            entry["udr"] = plain(float(value))
    return found


def table(models: Sequence[Row]) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Of each setting the means with 95 % intervals over seeds; and ceiling and chance of the scores."""
    rows, names, calibration = [], {}, {}
    for entry in models:
        measured = entry["measured"]
        found = {name: measured["test"][name] for name in ("negative_elbo", "rate", "distortion", "active_units")}
        if "log_likelihood" in measured["log_likelihood"]:
            found["log_likelihood"] = measured["log_likelihood"]["log_likelihood"]
        found |= {
            name: measured["aggregate_posterior"][name][0] for name in TERMS if name in measured["aggregate_posterior"]
        }
        if "feature_mmd2" in measured["sample_quality"]:
            found["feature_mmd2"] = measured["sample_quality"]["feature_mmd2"]
        for name in SCORES:
            if name in measured["disentanglement"]:
                score = measured["disentanglement"][name]
                found[name] = score["value"]
                calibration[name] = {part: score[part] for part in ("ceiling", "chance")}
        found["udr"] = entry["udr"]
        rows.append({**entry["model"], **found, "diverged": False})
        names |= dict.fromkeys(found)
    return settings(rows, tuple(names)), calibration


def picture(entries: Sequence[Row], calibration: dict[str, dict[str, float]], path: Path) -> Path:
    """Scores against β with 95 % intervals over seeds, each between its chance level and its ceiling."""
    from matplotlib.figure import Figure

    names = [name for name in (*SCORES, "udr") if name in entries[0]]
    columns = min(len(names), 4)
    height = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * height + 0.4), layout="constrained")
    axes = np.ravel(figure.subplots(height, columns, squeeze=False))
    betas = [entry["beta"] for entry in entries]
    for axis, name in zip(axes, names, strict=False):
        means = np.array([entry[name]["mean"] for entry in entries], float)
        half = [0 if entry[name]["interval"] is None else np.ptp(entry[name]["interval"]) / 2 for entry in entries]
        axis.errorbar(betas, means, yerr=half, fmt="o-", ms=4, capsize=3, lw=1, label="mean over seeds, 95 % interval")
        for part, style in (("ceiling", "--"), ("chance", ":")):
            if name in calibration:
                axis.axhline(calibration[name][part], color="0.4", ls=style, lw=1, label=part)
        axis.set(title=name, xlabel="β", ylim=(-0.05, 1.05))
        if min(betas) > 0:
            axis.set_xscale("log")
            axis.set_xticks(betas, [f"{beta:g}" for beta in betas])
            axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle("disentanglement scores of the models of each β")
    return figures.save(figure, path)


def _known(path: Path, asked: dict[str, Any]) -> list[Row]:
    """Models that were measured as they are to be measured now."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return found["models"] if isinstance(found, dict) and found.get("asked") == json.loads(json.dumps(asked)) else []
