"""How fast: each figure beside what it is measured against, in one run on this machine.

- training: the classic MNIST program (784-400-20, batch 128) and Burgess's network at 64 and 32 pixels, an epoch as one
  program; beside one jitted step a batch from the host, PyTorch, pythae's trainer, and the matrix products alone.
- likelihood: log p(x) by importance sampling with few samples and many, beside pythae's and the products of the decoder
  alone.
- population: models as one program, beside their single epochs one after another.
- growth: how the speed goes with batch, width, latents and data.
- streaming: images read from a file as training goes, beside images on the device.
- saving: a checkpoint with its manifest, and the fingerprint of the data, beside an epoch.
- command: train.py from Enter to prompt, with nothing compiled before and with all; a sweep beside a process a model;
  with --mnist, the MNIST command beside its own epochs and a PyTorch script.

All on random images. Contestants take turns, and each figure is a median. Ratios carry over between runs on a noisy
machine; seconds do not.
"""

import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from contestants import CHECKPOINT, EPOCH, FINGERPRINT, JOBS, NLL, OURS, PRODUCTS, PYTHAE, SINGLE, STEPS, Job, Sizes
from processes import DIGITS, MNIST, SEVERAL, command_jobs

from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.plots.canvas import canvas, save
from vae_jax.progress import bar
from vae_jax.runs.trainer import SAVE_EVERY
from vae_jax.writing import replace_file

PARTS = {**JOBS, "command": command_jobs}
GROUPS = tuple(PARTS)
EPOCHS = 15  # of a run whose saving is counted
COLORS = {"ours": "#2a6fbb", "peer": "#b0b7bf", "limit": "#e5c07b"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the benchmark."""

    only: tuple[str, ...] = GROUPS
    """Which parts: training, likelihood, population, growth, streaming, saving, command."""
    members: tuple[int, ...] = (8,)
    """Sizes of the populations."""
    batches: tuple[int, ...] = (64, 128)
    """Batch sizes of the convolutional network."""
    images: int = 60_000
    """Training images of the dense network; the convolutional one takes a fifteenth at 32 pixels, a sixtieth at 64."""
    repeats: int = 5
    """Each figure is the median of so many, taken in turns."""
    peers: bool = True
    """Whether PyTorch and pythae take part; they need pip install -e '.[benchmark]'."""
    mnist: Path | None = None
    """A folder with MNIST's original files, to time the MNIST command as a whole."""
    out: Path = Path("runs/benchmark")
    """Folder for benchmark.json, .md and .png."""


def main(config: Config) -> None:
    unknown = [group for group in config.only if group not in GROUPS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: expected some of {', '.join(GROUPS)}.")
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    config.out.mkdir(parents=True, exist_ok=True)
    sizes = Sizes(config.images, config.batches, config.members, config.peers, config.mnist, config.out)
    rows: list[dict[str, Any]] = []
    device = jax.devices()[0]
    found = {
        "device": processor() if device.platform == "cpu" else device.device_kind,
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "repeats": config.repeats,
        "rows": rows,
    }
    for group in config.only:  # written after each, so that a signal costs one group at most
        rows += timed(group, PARTS[group](sizes), config.repeats)
        replace_file(config.out / "benchmark.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        replace_file(config.out / "benchmark.md", markdown(found) + "\n")
    if "training" in config.only:
        draw(rows, config.out / "benchmark.png")
    print(report(rows))
    if "saving" in config.only:
        print(saving(rows))


def timed(part: str, jobs: list[Job], repeats: int) -> list[dict[str, Any]]:
    """Run jobs in turns, the first time for nothing but compilation, and give a row to each."""
    seconds: list[list[float]] = [[] for _ in jobs]
    with bar(total=len(jobs) * (repeats + 1), desc=part) as words:
        for turn in range(repeats + 1):
            for job, times in zip(jobs, seconds, strict=True):
                started = time.perf_counter()
                job.run()
                if turn:
                    times.append(time.perf_counter() - started)
                words.update()
    return rows_of(jobs, [statistics.median(times) for times in seconds])


def rows_of(jobs: list[Job], seconds: list[float]) -> list[dict[str, Any]]:
    """A row for each job: its seconds, its speed, and its speed as a multiple of its peer's; None without the peer."""
    speeds = {(job.group, job.what): job.number / took for job, took in zip(jobs, seconds, strict=True)}
    rows = []
    for job, took in zip(jobs, seconds, strict=True):
        speed, peer = job.number / took, speeds.get((job.group, job.peer))
        rows.append(
            {name: getattr(job, name) for name in ("group", "what", "peer", "unit", "number", "devices")}
            | {"seconds": took, "per_second": speed, "speed_to_peer": speed / peer if peer else None}
            | {"memory": job.memory() if job.memory else None}
        )
    return rows


def report(rows: list[dict[str, Any]]) -> str:
    """The closing table."""
    lines = [f"{'':52}{'devices':>8}{'MB':>8}{'seconds':>10}{'a second':>12}{'of peer':>9}"]
    for index, row in enumerate(rows):
        if not index or rows[index - 1]["group"] != row["group"]:
            lines.append(row["group"])
        ratio = "" if row["speed_to_peer"] is None else f"{row['speed_to_peer']:.2f}"
        memory = "" if row["memory"] is None else f"{row['memory'] / 1e6:,.0f}"
        numbers = f"{row['devices']:>8}{memory:>8}{row['seconds']:>10.3f}{row['per_second']:>12,.4g}{ratio:>9}"
        lines.append(f"  {row['what']:50}{numbers}   {row['unit']}")
    return "\n".join(lines)


def markdown(found: dict[str, Any]) -> str:
    """The figures that a reader asks for first, as the tables of the README."""
    rows = {(row["group"], row["what"]): row for row in found["rows"]}
    groups = list(dict.fromkeys(row["group"] for row in found["rows"]))

    def times(group: str, ours: str, *theirs: str) -> str:
        speeds = [rows[group, name]["per_second"] for name in theirs if (group, name) in rows]
        return f"{rows[group, ours]['per_second'] / max(speeds):.2f} ×" if speeds else "–"

    lines = []
    if trained := [group for group in groups if (group, OURS) in rows]:
        lines += [
            "| training, an epoch as one program | images a second | one jitted step a batch "
            "| PyTorch, best eager loop | pythae's trainer | matrix products alone |",
            "|---|---|---|---|---|---|",
        ]
        torch = [name for _, name in rows if name.startswith("PyTorch,")]
        for group in trained:
            beside = [times(group, OURS, *names) for names in ((STEPS,), torch, (PYTHAE,), (PRODUCTS,))]
            lines.append(f"| {group} | {rows[group, OURS]['per_second']:,.0f} | {' | '.join(beside)} |")
    if populations := [group for group in groups if group.startswith("population")]:
        lines += ["", "| models, an epoch of each | models a second | one after another |", "|---|---|---|"]
        for group in populations:
            best = max((row for (of, what), row in rows.items() if of == group and what != SINGLE), key=_speed)
            name = f"{best['what']}, {best['devices']} device{'s' if best['devices'] > 1 else ''}"
            lines.append(f"| {group}: {name} | {_speed(best):.3g} | {times(group, best['what'], SINGLE)} |")
    for group in groups:
        if group.startswith("log p(x)"):
            lines += ["", "| | samples a second | pythae's get_nll | matrix products alone |", "|---|---|---|---|"]
            beside = [times(group, "vae_jax", name) for name in (NLL, PRODUCTS)]
            lines.append(f"| {group} | {_speed(rows[group, 'vae_jax']):,.0f} | {' | '.join(beside)} |")
    if commands := [row for (group, _), row in rows.items() if group in (DIGITS, SEVERAL, MNIST)]:
        lines += ["", "| whole commands, from Enter to prompt | seconds | MB at most |", "|---|---|---|"]
        for row in commands:
            memory = f"{row['memory'] / 1e6:,.0f}" if row["memory"] else "–"
            lines.append(f"| {row['group']}: {row['what']} | {row['seconds']:.1f} | {memory} |")
    return "\n".join(lines)


def _speed(row: dict[str, Any]) -> float:
    return row["per_second"]


def saving(rows: list[dict[str, Any]]) -> str:
    """What saving takes of a run: a checkpoint every so many seconds at most, and the fingerprint once."""
    took = {row["what"]: row["seconds"] for row in rows}
    share = took[CHECKPOINT] / max(SAVE_EVERY, took[EPOCH]) + took[FINGERPRINT] / (EPOCHS * took[EPOCH])
    return f"A run of {EPOCHS} epochs, saved every {SAVE_EVERY:g} s at most, spends {share:.1%} on saving."


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Images a second of each contestant of training, as multiples of the better PyTorch."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    groups = [group for group in groups if group.startswith(("784", "Burgess"))]
    heights = [sum(row["group"] == group for row in rows) for group in groups]
    figure = canvas(9, 1.1 + sum(0.5 + 0.3 * height for height in heights))
    axes = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        shown = sorted((row for row in rows if row["group"] == group), key=lambda row: row["per_second"])
        torch = [row["per_second"] for row in shown if row["what"].startswith("PyTorch")]
        best = max(torch, default=shown[-1]["per_second"])
        ratios = [row["per_second"] / best for row in shown]
        axis.barh([row["what"] for row in shown], ratios, color=[COLORS[kind_of(row["what"])] for row in shown])
        for index, (row, ratio) in enumerate(zip(shown, ratios, strict=True)):
            words = f" {ratio:.2f} ×   {row['per_second']:,.0f} images a second"
            axis.text(ratio, index, words, va="center", fontsize=8)
        axis.set_xlim(0, 1.45 * max(ratios))
        axis.set_title(group, loc="left", fontsize=10, fontweight="bold")
        axis.set_xticks([])
        axis.tick_params(length=0, labelsize=8)
        for side in ("top", "right", "bottom"):
            axis.spines[side].set_visible(False)
    figure.suptitle("training, images a second, against the better PyTorch loop", fontsize=11)
    save(figure, path)


def kind_of(what: str) -> str:
    """Whether a contestant is this project's way, another's, or what the machine could do."""
    return "limit" if what == PRODUCTS else "ours" if what.startswith("vae_jax") else "peer"


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
