"""Measure a trained run, or every model of a sweep; leave evaluation.json and figures in its folder.

    python experiments/evaluate.py runs/digits-vae
    python experiments/evaluate.py runs/sprites32-sweep --scores all

A run: log p(x) by importance sampling, with its error and the bound as samples grow; the KL as mutual information,
total correlation and dimension-wise KL from all training posteriors; how samples compare with real images; and, where
the factors of the data are known, scores of disentanglement beside a perfect code's and chance. A sweep: the same for
every model, with 95 % intervals over seeds; if interrupted, the same command continues with the remaining models.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import tyro

from vae_jax import plots
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics.scoring import quick
from vae_jax.evaluation.metrics.table import SCORES, score_names
from vae_jax.evaluation.populations import Row, about_intervals, first_of_each, in_words, varied
from vae_jax.evaluation.samples import Features
from vae_jax.hyperparameter import check, declared, whole
from vae_jax.runs import assess
from vae_jax.runs.loading import Models, load
from vae_jax.runs.measure import evaluate_model
from vae_jax.training.experiment import IMPROPER
from vae_jax.training.trained import Trained
from vae_jax.writing import write_json

COUNTS = declared({"samples": whole(5000), "codes": whole(10_000)})
OF_SWEEP = 100  # importance samples per image, for each model
NEAR_CAP = 0.01  # nats below ln N, where mutual information says no more than that


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to measure."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run or of a sweep: the --out of train.py or sweep.py."""
    samples: int | None = None
    """Importance samples for each image. Default: 5000 for a run, 100 for each model of a sweep."""
    codes: int = 10_000
    """Codes to evaluate the aggregate posterior at."""
    scores: tuple[str, ...] = quick()
    """Scores of disentanglement, where factors are known: beta_vae dci explicitness factor_vae mig modularity sap; also
    mig_chen, which takes up to minutes per model; or all."""
    features: str | None = None
    """Space that samples are compared with real images in, as module:function, a function of images
    [n, height, width, channels] to [n, features], such as a pretrained network's. Default: pixels."""
    out: Path | None = None
    """Folder for evaluation.json and the figures. Default: that of the run."""


CONFIG = EvaluateConfig
DESCRIPTION = __doc__ or ""


def main(config: EvaluateConfig) -> None:
    """Measure a run or a sweep, and report the results."""
    names = tuple(SCORES) if config.scores == ("all",) else config.scores
    for name in names:
        SCORES.find(name, f"--scores {name}")
    for name in COUNTS:
        value = getattr(config, name)
        if value is not None:
            check(name, value, COUNTS, owner="an evaluation", given=f"--{name} {value}")
    features = None if config.features is None else named_function(config.features)
    out, models = config.out or config.run, Models(config.run)
    if not models.is_sweep:
        evaluate_run(config, names, features, out)
    elif (config.run / "results.csv").exists():
        evaluate_sweep(config, models, names, features, out)
    else:
        raise InputError(
            f"the sweep in {config.run} is not finished; go on with it: sweep.py --out {config.run} --resume."
        )


def evaluate_run(config: EvaluateConfig, names: tuple[str, ...], features: Features | None, out: Path) -> None:
    """Measure one model."""
    model = load(config.run)
    samples = config.samples or int(COUNTS["samples"].default)
    measures, representation = evaluate_model(
        model.experiment,
        model.params,
        num_samples=samples,
        codes=config.codes,
        score_names=names,
        features=features,
    )
    measures = {"of": provenance(config.run, model), **measures}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "evaluation.json", measures)
    plots.draw_all(plots.Subject(model.experiment, model.params, measures, representation), out)
    print(report_run(measures))
    if not measures["proper_likelihood"]:
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures next to it.")


def evaluate_sweep(
    config: EvaluateConfig, models: Models, names: tuple[str, ...], features: Features | None, out: Path
) -> None:
    """Measure every model of a sweep."""
    asked: dict[str, Any] = {"samples": config.samples or OF_SWEEP, "codes": config.codes, "scores": list(names)}
    asked["features"] = config.features

    def measured(model: Trained) -> dict[str, Any]:
        measures, _ = evaluate_model(
            model.experiment,
            model.params,
            num_samples=asked["samples"],
            codes=config.codes,
            score_names=names,
            repeats=1,
            features=features,
        )
        return {"epoch": model.epoch, **measures}

    out.mkdir(parents=True, exist_ok=True)
    path = out / "evaluation.json"
    entries = assess.assess(models, path, asked, measured)
    settings, calibration = assess.table(entries)
    whole = {"of": provenance(config.run), "settings": settings, "calibration": calibration}
    write_json(path, {**whole, **json.loads(path.read_text())}, indent=1)
    if all("beta" in setting for setting in settings) and calibration:
        plots.scores(settings, calibration, out / "scores.png")
    which = [{**entry["model"], "diverged": entry["measured"] is None} for entry in entries]
    for chosen in first_of_each(which, "beta"):
        model = load(config.run, **chosen)
        if model.experiment.images:
            name = f"beta-{chosen['beta']:g}" if "beta" in chosen else "first"
            rates = model.row["rate_per_latent"]
            plots.draw_traversals(model.experiment, model.params, rates, out / "traversals" / name)
    print(report_sweep(settings, calibration, entries))
    if not all(entry["measured"]["proper_likelihood"] for entry in entries if entry["measured"]):
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures next to it.")


def report_run(measures: dict[str, Any]) -> str:
    """The results of a run, one line per number."""
    test, rows = measures["test"], {}
    rows["negative ELBO"] = f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image"
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
    for name in assess.TERMS:
        if name in aggregate:
            mean, error = aggregate[name]
            rows[name.replace("_", " ")] = f"{mean:.3f} ± {error:.3f} nats over {aggregate['data_size']:,} posteriors"
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
    width = max(map(len, rows)) + 2
    return "\n".join(["", *(f"  {name:<{width}}{value}" for name, value in rows.items()), *left_out(measures)])


def report_sweep(entries: Sequence[Row], calibration: dict, models: Sequence[Row]) -> str:
    """Every measure of every setting, a row for each measure."""
    measures = dict.fromkeys(name for entry in entries for name, value in entry.items() if isinstance(value, dict))
    names = varied(entries) or ["beta"]
    lines = [f"{name:<22}" + "".join(f"{entry.get(name, '')!s:>18}" for entry in entries) for name in names]
    lines[0] += f"{'perfect':>10}{'chance':>10}"
    for name in measures:
        cells = [in_words(entry[name], 3) for entry in entries]
        line = f"{name:<22}" + "".join(f"{cell:>18}" for cell in cells)
        for part in ("perfect", "chance"):
            line += f"{calibration[name][part]:>10.3f}" if part in calibration.get(name, {}) else f"{'':>10}"
        lines.append(line.rstrip())
    return "\n".join(["", *lines, about_intervals(entries), *_unconverged(models)])


def _unconverged(models: Sequence[Row]) -> list[str]:
    """How many estimates of log p(x) are bounds and no more."""
    likelihoods = [entry["measured"]["log_likelihood"] for entry in models if entry["measured"]]
    bounds = [likelihood for likelihood in likelihoods if likelihood.get("converged") is False]
    if not bounds:
        return []
    most = max((bound["remaining"] or 0.0) for bound in bounds)
    return [
        f"−log p(x) is an upper bound, not converged, for {len(bounds)} of {len(models)} models: more samples would "
        f"take {most:.2f} nats or more off the worst. Raise --samples."
    ]


def provenance(folder: Path, model: Trained | None = None) -> dict[str, Any]:
    """What was measured and with what: the configuration, the seed and epoch of a run, and the versions."""
    of_run = {} if model is None else {"seed": model.experiment.keys.seed, "epoch": model.epoch}
    names = ("vae_jax", "jax", "jaxlib", "flax", "numpy", "scipy", "scikit-learn")
    versions = {name: version(name.replace("_", "-")) for name in names}
    return {"config": json.loads((folder / "config.json").read_text()), **of_run, "versions": versions}


def named_function(name: str) -> Features:
    """A function by `module:function`, looked for in the working directory too.

    Raises:
      InputError: no such module, or nothing callable of that name in it.
    """
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"--features {name}: expected module:function that can be imported; {error}.") from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise InputError(f"--features {name}: expected a function of images; got {type(function).__name__}.")
    return cast(Features, function)


def left_out(measures: dict[str, Any]) -> list[str]:
    """Why each missing measure is missing."""
    return [
        f"  no {name.replace('_', ' ')}: {part['left_out']}"
        for name, part in measures.items()
        if isinstance(part, dict) and "left_out" in part
    ]
