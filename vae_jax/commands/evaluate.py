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
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

import tyro

from vae_jax import plots
from vae_jax.commands.closing import what_next
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.evaluation_report import report_run, report_sweep
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics.score import SCORES
from vae_jax.evaluation.metrics.scoring import quick
from vae_jax.evaluation.populations import first_of_each
from vae_jax.evaluation.samples import Features
from vae_jax.hyperparameter import check, declared, size
from vae_jax.runs import sweep_measures
from vae_jax.runs.storage.models import Models, load
from vae_jax.trained.measures import evaluate_model
from vae_jax.trained.model import Trained
from vae_jax.training.experiment import IMPROPER
from vae_jax.writing import write_json

COUNTS = declared({"samples": size(5000), "codes": size(10_000, least=2)})
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
    """Scores of disentanglement, where factors are known: beta_vae dci explicitness factor_vae mig modularity sap; also
    mig_chen, which takes up to minutes per model; or all."""
    features: str | None = None
    """Space that samples are compared with real images in, as module:function, a function of images
    [n, height, width, channels] to [n, features], such as a pretrained network's. Default: pixels."""
    out: Path | None = None
    """Folder for evaluation.json and the figures. Default: that of the run."""
    data: str | None = None
    """Where the data are now, if not where the run was trained on them: a folder, a file, or a data set's name."""


@COMMANDS.register("evaluate", flags=EvaluateConfig)
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
    out, models = config.out or config.run, Models(config.run, data=config.data)
    if not models.config.kind.names_models:
        evaluate_run(config, names, features, out)
    elif (config.run / "results.csv").exists():
        there, listed = (
            len(list(models.rows())),
            len((config.run / "results.csv").read_text(encoding="utf-8").splitlines()) - 1,
        )
        if there != listed:
            raise InputError(
                f"{config.run} lists {listed} models in results.csv and holds {there}; train what is missing: sweep.py "
                f"--out {config.run} --resume."
            )
        evaluate_sweep(config, models, names, features, out)
    else:
        raise InputError(
            f"the sweep in {config.run} is not finished; go on with it: sweep.py --out {config.run} --resume."
        )


def evaluate_run(config: EvaluateConfig, names: tuple[str, ...], features: Features | None, out: Path) -> None:
    """Measure one model; write `evaluation.json` and the pictures, and print the report.

    Args:
      config: the flags.
      names: names in `SCORES`.
      features: the space that samples are compared in; None for the pixels.
      out: the folder to write to.
    """
    model = load(config.run, data=config.data)
    samples = config.samples or int(COUNTS["samples"].default)
    found = evaluate_model(
        model,
        num_samples=samples,
        codes=config.codes,
        score_names=names,
        features=features,
    )
    measures = {"of": provenance(config.run, model), **found.measures}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "evaluation.json", measures)
    plots.draw_all(model, out, found._replace(measures=measures))
    print(report_run(measures, f"{model.data.name}, test set of {measures['test']['examples']:,}:"))
    finish(config.run, out, images=model.images, proper=measures["proper_likelihood"])


def evaluate_sweep(
    config: EvaluateConfig, models: Models, names: tuple[str, ...], features: Features | None, out: Path
) -> None:
    """Measure every model of a sweep; write `evaluation.json` and the pictures, and print the report.

    Args:
      config: the flags.
      models: those in the sweep's folder.
      names: names in `SCORES`.
      features: the space that samples are compared in; None for the pixels.
      out: the folder to write to.
    """
    asked: dict[str, Any] = {"samples": config.samples or OF_SWEEP, "codes": config.codes, "scores": list(names)}
    asked["features"] = config.features

    def measured(model: Trained) -> dict[str, Any]:
        measures, _ = evaluate_model(
            model,
            num_samples=asked["samples"],
            codes=config.codes,
            score_names=names,
            repeats=1,
            features=features,
        )
        return {"epoch": model.epoch, **measures}

    out.mkdir(parents=True, exist_ok=True)
    path = out / "evaluation.json"
    entries = sweep_measures.measure_models(models, path, asked, measured)
    settings, calibration = sweep_measures.table(entries)
    whole = {"of": provenance(config.run), "settings": settings, "calibration": calibration}
    write_json(path, {**whole, **json.loads(path.read_text(encoding="utf-8"))}, indent=1)
    if all("beta" in setting for setting in settings) and calibration:
        plots.scores(settings, calibration, out / "scores.png")
    for chosen in first_of_each([entry.model for entry in entries], "beta"):
        model = load(config.run, data=config.data, best=None, **chosen.who)
        if model.images:
            name = f"beta-{chosen.setting['beta']:g}" if "beta" in chosen.setting else "first"
            rates = model.row["rate_per_latent"]
            plots.draw_traversals(model, rates, out / "traversals" / name)
    title = f"{models.config.data}, test set, {len(entries)} models; nats per example:"
    print(report_sweep(settings, calibration, entries, title))
    proper = all(entry.measured["proper_likelihood"] for entry in entries if entry.measured)
    finish(config.run, out, images=(out / "traversals").exists(), proper=proper)


def finish(run: Path, out: Path, *, images: bool, proper: bool) -> None:
    """Print the last lines: a warning if one is due, where to look, what to do next.

    Args:
      run: the folder of the run or sweep.
      out: the folder that was written to.
      images: whether its examples are images, which can be explored.
      proper: whether log p(x|z) is a normalised likelihood of the data; without, a warning is due.
    """
    see = f"See {out / 'evaluation.json'} and the pictures next to it."
    print("\n".join([*[IMPROPER] * (not proper), see, *what_next(run, images=images, after="evaluate")]))


def provenance(folder: Path, model: Trained | None = None) -> dict[str, Any]:
    """What was measured and with what: the configuration, the seed and epoch of a run, and the versions."""
    of_run = {} if model is None else {"seed": model.experiment.keys.seed, "epoch": model.epoch}
    names = ("vae_jax", "jax", "jaxlib", "flax", "numpy", "scipy", "scikit-learn")
    versions = {name: version(name.replace("_", "-")) for name in names}
    return {"config": json.loads((folder / "config.json").read_text(encoding="utf-8")), **of_run, "versions": versions}


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
