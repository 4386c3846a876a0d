"""What an evaluation prints: a run's measures one to a line, a sweep's as a table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vae_jax import plots
from vae_jax.commands.closing import table, table_of_settings, worded
from vae_jax.evaluation.metrics.score import score_names
from vae_jax.evaluation.populations import SettingResult, about_intervals
from vae_jax.runs import sweep_measures
from vae_jax.runs.sweep_measures import MeasuredModel

NEAR_CAP = 0.01  # nats; mutual information this close to ln N has reached its maximum


def report_run(measures: dict[str, Any], title: str) -> str:
    """The results of a run, one line per number."""
    test, rows = measures["test"], {}
    rows["negative ELBO"] = f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image"
    if math.isnan(test["rate"]):
        rows["negative ELBO"] = "not defined: the code is a point"
    likelihood = measures["log_likelihood"]
    if "bounds" in likelihood:
        rows["−log p(x)"] = (
            f"{-likelihood['log_likelihood']:.2f} ± {likelihood['error']:.2f} nats, {likelihood['samples']:,} samples"
            f" for each image, {likelihood['effective_samples']:.0f} of them effective"
        )
        rows[""] = plots.verdict(likelihood)
        if likelihood["bits_per_dimension"] is not None:
            rows["bits per dimension"] = f"{likelihood['bits_per_dimension']:.3f}"
    aggregate = measures["aggregate_posterior"]
    for name in sweep_measures.TERMS:
        if name in aggregate:
            mean, error = aggregate[name]
            rows[worded(name)] = f"{mean:.3f} ± {error:.3f} nats over {aggregate['data_size']:,} posteriors"
    if "mutual_information" in aggregate and aggregate["log_data_size"] - aggregate["mutual_information"][0] < NEAR_CAP:
        rows["mutual information"] += " (ln N, the most there can be: every code tells its image)"
    quality = measures["sample_quality"]
    if "model" in quality:
        for name in ("frechet", "kernel", "precision", "recall", "density", "coverage"):
            rows[f"samples, {name}"] = f"{quality['model'][name]:.4f} (real images {quality['real'][name]:.4f})"
        rows["nearest training image"] = f"{quality['nearest']:.3f} (of a test image {quality['nearest_real']:.3f})"
    for name in score_names():
        if name in measures["disentanglement"]:
            score = measures["disentanglement"][name]
            rows[name] = f"{score['value']:.3f} (perfect code {score['perfect']:.3f}, chance {score['chance']:.3f})"
    return "\n".join(["", title, *table(rows), *left_out(measures)])


def report_sweep(
    entries: Sequence[SettingResult],
    calibration: Mapping[str, Mapping[str, float]],
    models: Sequence[MeasuredModel],
    title: str,
) -> str:
    """Every measure of every setting, a row for each measure.

    Args:
      entries: a result for each setting.
      calibration: score -> its `perfect` and `chance` values, if they are known.
      models: the measured models.
      title: above the table.
    """
    measures = list(dict.fromkeys(name for entry in entries for name in entry.measures))
    beside = {
        part: {name: f"{calibration[name][part]:.3f}" for name in measures if part in calibration.get(name, {})}
        for part in ("perfect", "chance")
    }
    lines = table_of_settings(entries, measures, digits=3, beside={part: of for part, of in beside.items() if of})
    return "\n".join(["", title, *lines, about_intervals(entries), *_unconverged(models)])


def _unconverged(models: Sequence[MeasuredModel]) -> list[str]:
    """A line that says how many estimates of log p(x) are only bounds, if any."""
    likelihoods = [model.measured["log_likelihood"] for model in models if model.measured]
    bounds = [likelihood for likelihood in likelihoods if likelihood.get("converged") is False]
    if not bounds:
        return []
    most = max((bound["remaining"] or 0.0) for bound in bounds)
    return [
        f"−log p(x) is an upper bound, not converged, for {len(bounds)} of {len(models)} models: more samples would "
        f"take {most:.2f} nats or more off the worst. Raise --samples."
    ]


def left_out(measures: dict[str, Any]) -> list[str]:
    """Why each missing measure is missing."""
    return [
        f"  no {name.replace('_', ' ')}: {part['left_out']}"
        for name, part in measures.items()
        if isinstance(part, dict) and "left_out" in part
    ]
