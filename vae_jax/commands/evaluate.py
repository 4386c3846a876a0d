"""Measure a trained run, or every model of a sweep; leave evaluation.json and figures in its folder.

    python experiments/evaluate.py runs/digits-vae
    python experiments/evaluate.py runs/sprites32-sweep --scores all

A run: log p(x) by importance sampling, with its error and the bound as samples grow; the KL as mutual information,
total correlation and dimension-wise KL from all training posteriors; the distance of samples to real images; and, where
the factors of the data are known, scores of disentanglement with their ceiling and chance. A sweep: the same for
every model, with 95 % intervals over seeds; if interrupted, the same command continues with the remaining models.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from vae_jax import plots
from vae_jax.data.preprocess import Preprocess
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics.scoring import quick
from vae_jax.evaluation.metrics.table import SCORES
from vae_jax.evaluation.populations import Row, first_of_each, half_width, varied
from vae_jax.evaluation.samples import classifier_of
from vae_jax.hyperparameter import check, declared, whole
from vae_jax.runs import assess
from vae_jax.runs.loading import Models, load
from vae_jax.runs.measure import evaluate_model
from vae_jax.training.experiment import IMPROPER
from vae_jax.training.trained import Trained
from vae_jax.writing import write_json

COUNTS = declared({"samples": whole(5000), "codes": whole(10_000)})
OF_SWEEP = 100  # importance samples per image, for each model


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
    """Scores of disentanglement, where factors are known: beta_vae factor_vae mig modularity sap, the quick ones;
    mig_chen, dci_2k and dci, which take up to minutes per model; or all."""
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
    out, models = config.out or config.run, Models(config.run)
    if not models.is_sweep:
        evaluate_run(config, names, out)
    elif (config.run / "results.csv").exists():
        evaluate_sweep(config, models, names, out)
    else:
        raise InputError(
            f"the sweep in {config.run} is not finished; go on with it: sweep.py --out {config.run} --resume."
        )


def evaluate_run(config: EvaluateConfig, names: tuple[str, ...], out: Path) -> None:
    """Measure one model."""
    model = load(config.run)
    samples = config.samples or int(COUNTS["samples"].default)
    measures, representation = evaluate_model(
        model.experiment, model.params, num_samples=samples, codes=config.codes, score_names=names
    )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "evaluation.json", measures)
    plots.draw_all(plots.Subject(model.experiment, model.params, measures, representation), out)
    print(report_run(measures))
    if not measures["proper_likelihood"]:
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures next to it.")


def evaluate_sweep(config: EvaluateConfig, models: Models, names: tuple[str, ...], out: Path) -> None:
    """Measure every model of a sweep."""
    asked = {"samples": config.samples or OF_SWEEP, "codes": config.codes, "scores": list(names)}
    classifiers: dict[tuple[str, Preprocess], Any] = {}  # one for all models of the same images

    def measured(model: Trained) -> dict[str, Any]:
        seen = model.data.name, model.recipe.preprocess
        if seen not in classifiers and model.data.train.y is not None:
            classifiers[seen] = classifier_of(model.recipe, jax.random.key(0), model.data)
        measures, _ = evaluate_model(
            model.experiment,
            model.params,
            num_samples=asked["samples"],
            codes=config.codes,
            score_names=names,
            repeats=1,
            classifier=classifiers.get(seen),
        )
        return measures

    out.mkdir(parents=True, exist_ok=True)
    path = out / "evaluation.json"
    entries = assess.assess(models, path, asked, measured)
    settings, calibration = assess.table(entries)
    write_json(path, {"settings": settings, "calibration": calibration, **json.loads(path.read_text())}, indent=1)
    if all("beta" in setting for setting in settings) and calibration:
        plots.scores(settings, calibration, out / "scores.png")
    which = [{**entry["model"], "diverged": entry["measured"] is None} for entry in entries]
    for chosen in first_of_each(which, "beta"):
        model = load(config.run, **chosen)
        if model.experiment.images:
            name = f"beta-{chosen['beta']:g}" if "beta" in chosen else "first"
            rates = model.row["rate_per_latent"]
            plots.draw_traversals(model.experiment, model.params, rates, out / "traversals" / name)
    print(report_sweep(settings, calibration))
    if not all(entry["measured"]["proper_likelihood"] for entry in entries if entry["measured"]):
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures next to it.")


def report_run(found: dict[str, Any]) -> str:
    """The results of a run, one line per number."""
    test, rows = found["test"], {}
    rows["negative ELBO"] = f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image"
    likelihood = found["log_likelihood"]
    if "bounds" in likelihood:
        rows["−log p(x)"] = (
            f"{-likelihood['log_likelihood']:.2f} ± {likelihood['error']:.2f} nats, {likelihood['samples']:,} samples"
            f" for each image, {likelihood['effective_samples']:.0f} of them effective"
        )
    aggregate = found["aggregate_posterior"]
    for name in assess.TERMS:
        if name in aggregate:
            mean, error = aggregate[name]
            rows[name.replace("_", " ")] = (
                f"{mean:.3f} ± {error:.3f} nats, over all {aggregate['data_size']:,} posteriors"
            )
    if "feature_mmd2" in found["sample_quality"]:
        quality = found["sample_quality"]
        rows["samples, feature MMD²"] = (
            f"{quality['feature_mmd2']:.4f} ± {quality['error']:.4f}; real images {quality['chance']:.4f}"
        )
    scored = {name: score for name, score in found["disentanglement"].items() if name in SCORES}
    for name, score in scored.items():
        rows[name] = f"{score['value']:.3f} (ceiling {score['ceiling']:.3f}, chance {score['chance']:.3f})"
    width = max(map(len, rows)) + 2
    return "\n".join(["", *(f"  {name:<{width}}{value}" for name, value in rows.items()), *left_out(found)])


def report_sweep(entries: Sequence[Row], calibration: dict) -> str:
    """Every measure of every setting, a row for each measure."""
    measures = dict.fromkeys(name for entry in entries for name, value in entry.items() if isinstance(value, dict))
    names = varied(entries) or ["beta"]
    lines = [f"{name:<22}" + "".join(f"{entry.get(name, '')!s:>18}" for entry in entries) for name in names]
    lines[0] += f"{'ceiling':>10}{'chance':>10}"
    for name in measures:
        cells = [f"{entry[name]['mean']:.3f} ± {half_width(entry[name]):.3f}" for entry in entries]
        line = f"{name:<22}" + "".join(f"{cell:>18}" for cell in cells)
        for part in ("ceiling", "chance"):
            line += f"{calibration[name][part]:>10.3f}" if part in calibration.get(name, {}) else f"{'':>10}"
        lines.append(line.rstrip())
    return "\n".join(["", *lines, "±: 95 % interval over seeds."])


def left_out(found: dict[str, Any]) -> list[str]:
    """Why each missing measure is missing."""
    return [
        f"  no {name.replace('_', ' ')}: {part['left_out']}"
        for name, part in found.items()
        if isinstance(part, dict) and "left_out" in part
    ]
