"""Train one model; leave pictures, numbers and a checkpoint in a folder.

Without flags: a VAE on scikit-learn's real 8x8 digits, offline, in under a minute on two cores. The classic MNIST
program (784-400-20, Adam 1e-3, batch 128, 15 epochs) is: python experiments/train.py --data mnist --latent 20
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_jax import plots
from vae_jax.commands.closing import remarks, table, what_next
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.devices import devices_of
from vae_jax.commands.opening import open_data, say_understood
from vae_jax.commands.words import in_a_row
from vae_jax.errors import InputError
from vae_jax.runs.best import measure_of
from vae_jax.runs.configuration.cells import Cell, cells
from vae_jax.runs.configuration.config import Config
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.process import hosts
from vae_jax.runs.process.background import Background
from vae_jax.runs.storage.folder import RunFolder, default_folder, free_folder
from vae_jax.runs.trainer import Finished, train_cell
from vae_jax.trained.measures import test_metrics
from vae_jax.trained.model import Trained
from vae_jax.training.experiment import IMPROPER, Experiment
from vae_jax.training.layout import BATCH
from vae_jax.training.pure import steps_per_epoch


@COMMANDS.register("train", flags=Config, lists=True)
def main(config: Config) -> None:
    """Train, measure, draw, and report."""
    devices = devices_of(config, by_default=1)
    if config.devices is None and not hosts.joined():
        devices = devices[:1]
    chosen = resolve(config)
    out = config.out or free_folder(default_folder(chosen.config, chosen.config.loss), resume=config.resume)
    found = open_data(chosen.into(out))
    chosen, config = found.chosen, found.chosen.config
    (cell,) = cells(chosen, found.dataset, found.begun)
    _expect_to_divide(config.batch_size, len(devices))
    say_understood(cell.experiment, found.words)
    with RunFolder(out, chosen) as folder:
        folder.keep_parts(cell.experiment.data.ids)
        hosts.wait("folder made")
        summary = train(folder, cell, devices, stream=config.stream)
        rows = folder.rows() if hosts.is_first() else []
    if hosts.is_first():
        by = measure_of(cell.experiment.recipe)
        said = remarks(summary, rows, latent=config.latent, objective=by)
        print(report(config, summary, out, images=cell.experiment.images, said=said))


def _expect_to_divide(batch_size: int, devices: int) -> None:
    if batch_size % devices:
        raise InputError(
            f"--batch-size {batch_size}: {devices} devices share each batch; expected a multiple of {devices}."
        )


def train(
    folder: RunFolder, cell: Cell, devices: Sequence[Any] | None = None, *, stream: bool = False
) -> dict[str, Any]:
    """Train, measure and draw.

    Args:
      folder: where the results go.
      cell: the run, a cell with one member.
      devices: all by default; several share each batch.
      stream: whether to read training images during training even if they fit on the devices.

    Returns:
      The content of `summary.json`.
    """
    experiment = cell.experiment
    started = time.perf_counter()
    over = BATCH if devices is not None and len(devices) > 1 else None
    with Background("pictures", needed=False) as drawing:
        (finished,) = train_cell(folder, cell, devices=devices, over=over, chunk=None, stream=stream, drawing=drawing)
        seconds = time.perf_counter() - started
        assert finished.population is not None  # a run is restored even where nothing is left to train
        model = Trained(experiment, finished.population.params(0), experiment.members.named(0), finished.reached)
        if hosts.is_first():
            drawing(plots.loss_curves, folder.rows(), folder.path / "curves.png")
            drawing(plots.draw_all, model, folder.path)
        summary = {**test_metrics(model), **_course(folder, finished, experiment, seconds)}
        if hosts.is_first():
            folder.summarise(summary)
    return summary


def _course(folder: RunFolder, finished: Finished, experiment: Experiment, seconds: float) -> dict[str, Any]:
    """How far and how fast it was trained."""
    images = finished.epochs * steps_per_epoch(experiment.recipe, experiment.data.train) * experiment.recipe.batch_size
    speed = {"seconds": seconds, "images_per_second": images / seconds}
    if finished.epochs <= 0:  # nothing was trained now: take the speed from the summary, if it has one
        speed = {name: number for name, number in folder.summary().items() if name in speed}
    assert finished.population is not None
    steps = int(finished.population.state(0).step)
    best = {} if finished.best is None else {"best_epoch": int(finished.best.epoch[0])}
    return {"steps": steps, "epochs": finished.reached, **best, **speed}


def report(config: Config, summary: dict[str, Any], out: Path, *, images: bool, said: Sequence[str] = ()) -> str:
    """The closing table, and where to look.

    Args:
      config: the flags of the run.
      summary: as from `train`.
      out: the folder of the run.
      images: whether the examples are images; else rows of features.
      said: more lines about the run.
    """
    test, (one, parts) = summary["test"], ("image", "pixels") if images else ("row", "features")
    rows = {
        "negative ELBO": f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per {one}",
        "distortion, −log p(x|z)": f"{test['distortion']:.2f} nats",
        "rate, KL(q ‖ p)": f"{test['rate']:.2f} nats",
        "loss, as trained": f"{test['loss']:.2f}",
        "squared error": f"{test['mean_squared_error']:.3f} per {one}, summed over {parts}",
        "active units": f"{test['active_units']} of {config.latent}",
    }
    if "seconds" in summary:
        rows["speed"] = f"{summary['images_per_second']:,.0f} {one}s a second, {summary['seconds']:.1f} s"
    notes = list(said)
    if test["rate"] != test["rate"]:
        rows["rate, KL(q ‖ p)"] = rows["negative ELBO"] = "not defined: the code is a point"
    if not summary["proper_likelihood"]:
        notes.append(IMPROPER)
    there = [out / name for name in ("samples", "curves.png", "summary.json") if (out / name).exists()]
    title = f"{config.data}, test set of {test['examples']:,} {one}s:"
    after = [*notes, f"See {in_a_row(there)}.", *what_next(out, images=images, after="train")]
    return "\n".join(["", title, *table(rows), *after])
