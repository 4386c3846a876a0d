"""Train many models as one program, β × seed and whatever else varies; leave a table, the curve and the pictures.

Without flags: six βs and three seeds of a VAE on scikit-learn's real 8x8 digits, offline, in under two minutes on two
cores. More: python experiments/sweep.py --data mnist --betas 0.5 1 2 4 --seeds 5 --vary learning_rate=1e-3,3e-4
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax import plots
from vae_jax.commands.closing import table_of_settings, what_next
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.devices import devices_of
from vae_jax.commands.words import in_a_row
from vae_jax.errors import InputError
from vae_jax.evaluation.populations import (
    MEASURES,
    Row,
    about_intervals,
    identity,
    in_order,
    name_of,
    setting,
    settings,
)
from vae_jax.plots.population import exact_curve, traversals
from vae_jax.progress import pieces
from vae_jax.runs.configuration.cells import Cell, cells
from vae_jax.runs.configuration.config import SweepConfig
from vae_jax.runs.configuration.resolved import resolve
from vae_jax.runs.process import hosts
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
    chosen = chosen.into(out)
    planned = cells(chosen)
    with RunFolder(out, chosen) as folder:
        hosts.wait("folder made")
        train(folder, planned, config, devices)


def train(folder: RunFolder, planned: Sequence[Cell], config: SweepConfig, devices: Sequence[Any]) -> None:
    """Train, measure, draw, and report, in a folder that is this job's."""
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


class Shown(NamedTuple):
    """The models that a sweep draws.

    Attributes:
      traversed: the first of each β.
      sampled: name -> the first seed of each setting.
    """

    traversed: list[Trained]
    sampled: dict[str, Trained]


def models_to_show(out: Path, rows: Sequence[Row]) -> Shown:
    """Read back the models to draw; all processes do so together."""
    models = Models(out)
    where = {identity(row): at for row, at in models.rows()}
    of_beta: dict[float | None, Row] = {}
    of_setting: dict[str, Row] = {}
    for row in rows:
        if not row["diverged"]:
            of_beta.setdefault(row.get("beta"), row)
            of_setting.setdefault(str(setting(row)), row)
    chosen = [*of_setting.values(), *of_beta.values()]
    read = {identity(row): models.read(row, where[identity(row)]) for row in chosen}
    sampled = {name_of(row): read[identity(row)] for row in of_setting.values()}
    return Shown([read[identity(row)] for row in of_beta.values()], sampled)


def draw(planned: Sequence[Cell], rows: Sequence[Row], entries: Sequence[Row], shown: Shown, out: Path) -> None:
    """The rate-distortion curve, the traversals of each β, samples and reconstructions of each setting."""
    betas = [row["beta"] for row in rows if "beta" in row and row["beta"] > 0]
    exact = exact_curve(planned[0].experiment, betas=betas) if betas and len(planned) == 1 else None
    plots.rate_distortion(entries, out / "rate_distortion.png", exact=exact)
    if shown.traversed:
        traversals(shown.traversed, out / "traversals.png")
    for name, model in pieces(list(shown.sampled.items()), doing="drawing", unit="model"):
        plots.draw_epoch(model, out / "models" / name, model.experiment.epochs)


def report(config: SweepConfig, entries: Sequence[Row], models: int, seconds: float, out: Path, *, images: bool) -> str:
    """The closing table, and where to look."""
    title = f"{config.data}, test set, {models} models in {seconds:.1f} s; nats per {'image' if images else 'row'}:"
    there = [out / name for name in ("rate_distortion.png", "traversals.png", "results.csv") if (out / name).exists()]
    after = [about_intervals(entries), f"See {in_a_row(there)}.", *what_next(out, images=images, after="sweep")]
    return "\n".join(["", title, *table_of_settings(entries, MEASURES, digits=2), *after])
