"""Train many models as one program, β × seed and whatever else varies; leave a table, the curve and the pictures.

Without flags: six βs and three seeds of a VAE on scikit-learn's real 8x8 digits, offline, in under two minutes on two
cores. More: python experiments/sweep.py --data mnist --betas 0.5 1 2 4 --seeds 5 --vary learning_rate=1e-3,3e-4
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax import plots
from vae_jax.commands.closing import table_of_settings, what_next
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.devices import devices_of
from vae_jax.commands.opening import open_data, say_understood
from vae_jax.commands.words import in_a_row
from vae_jax.errors import InputError
from vae_jax.evaluation.populations import (
    MEASURES,
    ModelResult,
    SettingResult,
    about_intervals,
    in_order,
    settings,
)
from vae_jax.plots.population import exact_curve, traversals
from vae_jax.progress import pieces
from vae_jax.runs.configuration.cells import Cell, cells
from vae_jax.runs.configuration.config import SweepConfig
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.process import hosts
from vae_jax.runs.storage.choosing import choose
from vae_jax.runs.storage.folder import RunFolder, default_folder, free_folder
from vae_jax.runs.storage.models import Models
from vae_jax.runs.storage.results import write_csv
from vae_jax.runs.trainer import train_cell
from vae_jax.trained.model import Trained


@COMMANDS.register("sweep", flags=SweepConfig, lists=True)
def main(config: SweepConfig) -> None:
    """Train, measure, draw, and report."""
    if config.stream:
        raise InputError("--stream: a sweep keeps its images on the devices; train each model with train.py --stream.")
    devices = devices_of(config, by_default=os.cpu_count() or 1)
    chosen = resolve(config)
    out = config.out or free_folder(default_folder(chosen.config, "sweep"), resume=config.resume)
    found = open_data(chosen.into(out))
    chosen = found.chosen
    assert isinstance(chosen.config, SweepConfig)
    planned = cells(chosen, found.dataset, found.begun)
    say_understood(planned[0].experiment, found.words)
    with RunFolder(out, chosen) as folder:
        folder.keep_parts(planned[0].experiment.data.ids)
        hosts.wait("folder made")
        train(folder, planned, chosen.config, devices)


def train(folder: RunFolder, planned: Sequence[Cell], config: SweepConfig, devices: Sequence[Any]) -> None:
    """Train, measure, draw, and report, in a folder that this job has locked.

    Args:
      folder: where the results go.
      planned: the cells of the sweep.
      config: the flags.
      devices: those that train.
    """
    out = folder.path
    started = time.perf_counter()
    how = {"devices": devices, "over": config.over, "chunk": config.chunk}
    finished = [part for cell in planned for part in train_cell(folder, cell, **how)]
    seconds = time.perf_counter() - started
    rows = in_order([row for one in finished for row in one.part.rows or []])
    entries = settings(rows)
    images = planned[0].experiment.images
    shown = models_to_show(out, rows) if images else Shown([], {})
    if not hosts.is_first():
        return
    write_csv(rows, out / "results.csv")
    folder.summarise({"settings": entries, "models": len(rows), "seconds": seconds})
    draw(planned, rows, entries, shown, out)
    print(report(config, entries, len(rows), seconds, out, images=images))
    with suppress(InputError):  # several losses or likelihoods, or no density: a choice of its own
        choose(Models(out))


class Shown(NamedTuple):
    """The models that a sweep draws.

    Attributes:
      traversed: the first of each β.
      sampled: name -> the first seed of each setting.
    """

    traversed: list[Trained]
    sampled: dict[str, Trained]


def models_to_show(out: Path, results: Sequence[ModelResult]) -> Shown:
    """Read back the models to draw; all processes do so together."""
    models = Models(out)
    where = {result.identity: at for result, at in models.rows()}
    of_beta: dict[Any, ModelResult] = {}
    of_setting: dict[str, ModelResult] = {}
    for result in results:
        if not result.diverged:
            of_beta.setdefault(result.setting.get("beta"), result)
            of_setting.setdefault(str(result.setting), result)
    chosen = [*of_setting.values(), *of_beta.values()]
    read = {result.identity: models.read(result, where[result.identity]) for result in chosen}
    sampled = {result.name: read[result.identity] for result in of_setting.values()}
    return Shown([read[result.identity] for result in of_beta.values()], sampled)


def draw(
    planned: Sequence[Cell],
    results: Sequence[ModelResult],
    entries: Sequence[SettingResult],
    shown: Shown,
    out: Path,
) -> None:
    """Draw the rate-distortion curve, the traversals of each β, and samples and reconstructions of each setting.

    Args:
      planned: the cells of the sweep.
      results: those of every model.
      entries: those of every setting.
      shown: the models to draw.
      out: the folder to write to.
    """
    betas = [beta for result in results if isinstance(beta := result.setting.get("beta"), float) and beta > 0]
    exact = exact_curve(planned[0].experiment, betas=betas) if betas and len(planned) == 1 else None
    plots.rate_distortion(entries, out / "rate_distortion.png", exact=exact)
    if shown.traversed:
        traversals(shown.traversed, out / "traversals.png")
    for name, model in pieces(list(shown.sampled.items()), doing="drawing", unit="model"):
        plots.draw_epoch(model, out / "models" / name, model.experiment.epochs)


def report(
    config: SweepConfig, entries: Sequence[SettingResult], models: int, seconds: float, out: Path, *, images: bool
) -> str:
    """The closing table, and where to look.

    Args:
      config: the flags.
      entries: a result for each setting.
      models: how many models there are.
      seconds: how long it took.
      out: the folder of the sweep.
      images: whether the examples are images; else rows of features.
    """
    title = f"{config.data}, test set, {models} models in {seconds:.1f} s; nats per {'image' if images else 'row'}:"
    there = [out / name for name in ("rate_distortion.png", "traversals.png", "results.csv") if (out / name).exists()]
    after = [about_intervals(entries), f"See {in_a_row(there)}.", *what_next(out, images=images, after="sweep")]
    return "\n".join(["", title, *table_of_settings(entries, MEASURES, digits=2), *after])
