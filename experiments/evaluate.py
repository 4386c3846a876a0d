"""Measure a trained run, or every model of a sweep; leave evaluation.json and figures in its folder.

    python experiments/evaluate.py runs/digits-vae
    python experiments/evaluate.py runs/sprites32-sweep --scores all

A run: log p(x) by importance sampling, with its error and the bound as samples grow; the KL as mutual information,
total correlation and dimension-wise KL from all training posteriors; the distance of samples to real images; and, where
the factors of the data are known, scores of disentanglement between their ceiling and chance. A sweep: the same of
every model, with 95 % intervals over seeds; after a kill the same command goes on with the models that are left.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from vae_jax import gallery, measure
from vae_jax.command_line import command
from vae_jax.disentanglement import QUICK, SCORES
from vae_jax.errors import InputError, nearest
from vae_jax.evaluation import classifier_of
from vae_jax.experiment import IMPROPER
from vae_jax.run_folder import plain, replace_file
from vae_jax.sweep import assessment, folder, results
from vae_jax.sweep.pictures import half_width, setting_of
from vae_jax.trained import is_sweep, read_run


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to measure."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run or of a sweep: the --out of train.py or sweep.py."""
    samples: int | None = None
    """Importance samples an image. Default: 5000 for a run, 100 for each model of a sweep."""
    codes: int = 10_000
    """Codes at which the densities of the aggregate posterior are taken."""
    scores: tuple[str, ...] = QUICK
    """Scores of disentanglement, where factors are known: beta_vae factor_vae mig modularity sap, the quick ones;
    mig_chen, dci_2k and dci, which take up to minutes a model; or all."""
    out: Path | None = None
    """Folder for evaluation.json and the figures. Default: that of the run."""


def main(config: EvaluateConfig) -> None:
    names = tuple(SCORES) if config.scores == ("all",) else config.scores
    for name in names:
        if name not in SCORES:
            raise InputError(f"--scores {name}: no such score; {nearest(name, [*SCORES, 'all'])}")
    for flag in ("samples", "codes"):
        value = getattr(config, flag)
        if value is not None and value < 1:
            raise InputError(f"--{flag} {value}: expected a whole number of at least 1.")
    out = config.out or config.run
    (evaluate_sweep if is_sweep(config.run) else evaluate_run)(config, names, out)


def evaluate_run(config: EvaluateConfig, names: tuple[str, ...], out: Path) -> None:
    experiment, params = read_run(config.run)
    found, representation = measure.everything(
        experiment, params, num_samples=config.samples or 5000, codes=config.codes, score_names=names
    )
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / "evaluation.json", json.dumps(plain(found), indent=2) + "\n")
    gallery.draw_trained(experiment, params, out)
    gallery.draw_measured(experiment, params, found, representation, out)
    print(report_run(found))
    if not found["proper_likelihood"]:
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures beside it.")


def evaluate_sweep(config: EvaluateConfig, names: tuple[str, ...], out: Path) -> None:
    asked = {"samples": config.samples or 100, "codes": config.codes, "scores": list(names)}
    classifiers: dict[Any, Any] = {}  # one for all models of the same images

    def measured(experiment, params):
        data, recipe = experiment.data, experiment.recipe
        seen = data.name, recipe.preprocess
        if seen not in classifiers and data.train.y is not None:
            classifiers[seen] = classifier_of(recipe, jax.random.key(0), data)
        found, _ = measure.everything(
            experiment,
            params,
            num_samples=asked["samples"],
            codes=config.codes,
            score_names=names,
            repeats=1,
            classifier=classifiers.get(seen),
        )
        return found

    out.mkdir(parents=True, exist_ok=True)
    models = assessment.assess(config.run, out / "evaluation.json", asked, measured)
    entries, calibration = assessment.table(models)
    path = out / "evaluation.json"
    written = {"settings": entries, "calibration": calibration, **json.loads(path.read_text())}
    replace_file(path, json.dumps(plain(written), indent=1) + "\n")
    if all("beta" in entry for entry in entries) and calibration:
        assessment.picture(entries, calibration, out / "scores.png")
    which = [{**entry["model"], "diverged": entry["measured"] is None} for entry in models]
    for row in results.first_of_each(which, "beta"):
        experiment, params, of_model = folder.load(config.run, **row)
        if experiment.images:
            name = f"beta-{row['beta']:g}" if "beta" in row else "first"
            gallery.draw_traversals(experiment, params, of_model["rate_per_latent"], out / "traversals" / name)
    print(report_sweep(entries, calibration))
    if not all(entry["measured"]["proper_likelihood"] for entry in models if entry["measured"]):
        print(IMPROPER)
    print(f"See {out / 'evaluation.json'} and the pictures beside it.")


def report_run(found: dict[str, Any]) -> str:
    """What was found, a line a number."""
    test, rows = found["test"], {}
    rows["negative ELBO"] = f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image"
    likelihood = found["log_likelihood"]
    if "bounds" in likelihood:
        rows["−log p(x)"] = (
            f"{-likelihood['log_likelihood']:.2f} ± {likelihood['error']:.2f} nats, {likelihood['samples']:,} samples"
            f" an image, {likelihood['effective_samples']:.0f} of them effective"
        )
    aggregate = found["aggregate_posterior"]
    for name in assessment.TERMS:
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


def report_sweep(entries: list, calibration: dict) -> str:
    """Every measure of every setting, a row a measure."""
    measures = dict.fromkeys(name for entry in entries for name, value in entry.items() if isinstance(value, dict))
    varied = [name for name in setting_of(entries[0]) if len({entry.get(name) for entry in entries}) > 1] or ["beta"]
    lines = [f"{name:<22}" + "".join(f"{entry.get(name, '')!s:>18}" for entry in entries) for name in varied]
    lines[0] += f"{'ceiling':>10}{'chance':>10}"
    for name in measures:
        cells = [f"{entry[name]['mean']:.3f} ± {half_width(entry[name]):.3f}" for entry in entries]
        line = f"{name:<22}" + "".join(f"{cell:>18}" for cell in cells)
        for part in ("ceiling", "chance"):
            line += f"{calibration[name][part]:>10.3f}" if part in calibration.get(name, {}) else f"{'':>10}"
        lines.append(line.rstrip())
    return "\n".join(["", *lines, "±: 95 % interval over seeds."])


def left_out(found: dict[str, Any]) -> list[str]:
    """Why something is missing."""
    return [
        f"  no {name.replace('_', ' ')}: {part['left_out']}"
        for name, part in found.items()
        if isinstance(part, dict) and "left_out" in part
    ]


if __name__ == "__main__":
    command(main, EvaluateConfig, __doc__ or "")
