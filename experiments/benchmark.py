"""How fast: each figure beside what it is measured against, in one run on this machine.

- training: the classic MNIST program (784-400-20, batch 128) and Burgess's network at 64 and 32 pixels, an epoch as one
  program; beside one jitted step a batch from the host, PyTorch, pythae's trainer, and the matrix products alone.
- likelihood: log p(x) by importance sampling, beside pythae's and the products of the decoder alone.
- population: models as one program, beside their single epochs one after another.
- saving: a checkpoint with its manifest, and the fingerprint of the data, beside an epoch.
- command: train.py from Enter to prompt, with nothing compiled before and with all.

All on random images. Contestants take turns, and each figure is a median. Ratios carry over between runs on a noisy
machine; seconds do not.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.runs.trainer import SAVE_EVERY

GROUPS = ("training", "likelihood", "population", "saving", "command")
SINGLE = "single epochs, one after another"
PRODUCTS = "matrix products alone"
PYTORCH = "PyTorch, indexing a tensor"
EPOCH = "an epoch of one model"
CHECKPOINT = "a checkpoint, its manifest and sums"
FINGERPRINT = "the fingerprint of the data"
COLD, WARM = "train.py, nothing compiled before", "train.py, all compiled before"
EPOCHS = 15  # of the MNIST program
IMAGES, SAMPLES, PYTHAE_IMAGES = 500, 1000, 20  # of log p(x)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the benchmark."""

    only: tuple[str, ...] = GROUPS
    """Which parts: training, likelihood, population, saving, command."""
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
    out: Path = Path("runs/benchmark")
    """Folder for benchmark.json and benchmark.png."""


class Job(NamedTuple):
    """Something timed.

    Attributes:
      group: those that are compared with one another.
      what: its name.
      peer: the name of what it is held against.
      number: how much it does.
      unit: of what.
      devices: on how many.
      run: does it.
    """

    group: str
    what: str
    peer: str
    number: int
    unit: str
    devices: int
    run: Callable[[], Any]


def main(config: Config) -> None:
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    from vae_jax.progress import bar

    unknown = [group for group in config.only if group not in GROUPS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: expected some of {', '.join(GROUPS)}.")
    jobs = [job for group in config.only for job in JOBS[group](config)]
    seconds: list[list[float]] = [[] for _ in jobs]
    with bar(total=len(jobs) * (config.repeats + 1), desc="benchmark") as words:
        for turn in range(config.repeats + 1):  # the first compiles
            for job, times in zip(jobs, seconds, strict=True):
                started = time.perf_counter()
                job.run()
                if turn:
                    times.append(time.perf_counter() - started)
                words.update()
    rows = rows_of(jobs, [statistics.median(times) for times in seconds])
    device = jax.devices()[0]
    machine = {
        "platform": device.platform,
        "device": device.device_kind,
        "cores": os.cpu_count(),
        "jax": jax.__version__,
    }
    found: dict[str, Any] = {**machine, "repeats": config.repeats, "rows": rows}
    if "saving" in config.only:
        took = {row["what"]: row["seconds"] for row in rows}
        # As a run saves: a checkpoint every so many seconds at most, and the fingerprint once.
        checkpoints = took[CHECKPOINT] / max(SAVE_EVERY, took[EPOCH])
        found["saving"] = checkpoints + took[FINGERPRINT] / (EPOCHS * took[EPOCH])
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "benchmark.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if "training" in config.only:
        draw(rows, config.out / "benchmark.png")
    print(report(rows))
    if "saving" in found:
        print(
            f"A run of {EPOCHS} epochs, saved every {SAVE_EVERY:g} s at most, spends {found['saving']:.1%} on saving."
        )


def rows_of(jobs: list[Job], seconds: list[float]) -> list[dict[str, Any]]:
    """A row for each job: its seconds, its speed, and its speed as a multiple of its peer's; None without the peer."""
    speeds = {(job.group, job.what, job.number): job.number / took for job, took in zip(jobs, seconds, strict=True)}
    of_peer = {(group, what): speed for (group, what, _), speed in speeds.items()}
    return [
        {
            **{name: getattr(job, name) for name in ("group", "what", "peer", "unit", "number", "devices")},
            "seconds": took,
            "per_second": job.number / took,
            "speed_to_peer": job.number / took / of_peer[job.group, job.peer]
            if (job.group, job.peer) in of_peer
            else None,
        }
        for job, took in zip(jobs, seconds, strict=True)
    ]


def report(rows: list[dict[str, Any]]) -> str:
    """The closing table."""
    lines = [f"{'':52}{'devices':>8}{'seconds':>10}{'a second':>12}{'of peer':>9}"]
    for index, row in enumerate(rows):
        if not index or rows[index - 1]["group"] != row["group"]:
            lines.append(row["group"])
        ratio = "" if row["speed_to_peer"] is None else f"{row['speed_to_peer']:.2f}"
        numbers = f"{row['devices']:>8}{row['seconds']:>10.3f}{row['per_second']:>12,.0f}{ratio:>9}"
        lines.append(f"  {row['what']:50}{numbers}   {row['unit']}")
    return "\n".join(lines)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Images a second of each contestant of training, as multiples of the better PyTorch."""
    from vae_jax.plots.canvas import canvas, save

    groups = list(dict.fromkeys(row["group"] for row in rows if row["unit"] == "images"))
    figure = canvas(9, 1.1 + sum(0.5 + 0.3 * sum(row["group"] == group for row in rows) for group in groups))
    heights = [sum(row["group"] == group for row in rows) for group in groups]
    axes = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        shown = sorted((row for row in rows if row["group"] == group), key=lambda row: row["per_second"])
        torch = [row["per_second"] for row in shown if row["what"].startswith("PyTorch")]
        best = max(torch, default=shown[-1]["per_second"])
        ratios = [row["per_second"] / best for row in shown]
        colors = [COLORS[kind_of(row["what"])] for row in shown]
        axis.barh([row["what"] for row in shown], ratios, color=colors)
        for index, (row, ratio) in enumerate(zip(shown, ratios, strict=True)):
            axis.text(
                ratio, index, f" {ratio:.2f} ×   {row['per_second']:,.0f} images a second", va="center", fontsize=8
            )
        axis.set_xlim(0, 1.45 * max(ratios))
        axis.set_title(group, loc="left", fontsize=10, fontweight="bold")
        axis.set_xticks([])
        axis.tick_params(length=0, labelsize=8)
        for side in ("top", "right", "bottom"):
            axis.spines[side].set_visible(False)
    figure.suptitle("training, images a second, against the better PyTorch loop", fontsize=11)
    save(figure, path)


COLORS = {"ours": "#2a6fbb", "peer": "#b0b7bf", "limit": "#e5c07b"}


def kind_of(what: str) -> str:
    """Whether a contestant is this project's way, another's, or what the machine could do."""
    return "limit" if what == PRODUCTS else "ours" if what.startswith("vae_jax") else "peer"


def training_jobs(config: Config) -> list[Job]:
    """An epoch of each network as one program, beside the ways of others."""
    import numpy as np

    from vae_jax.models import DenseDecoder, DenseEncoder

    random, jobs = np.random.RandomState(0), []
    images = random.randint(0, 256, (config.images, 28, 28, 1)).astype(np.uint8)
    group = "784-400-20, batch 128"
    jobs += ours(group, DenseEncoder(20), DenseDecoder((28, 28, 1)), images, 128)
    count = len(images) // 128 * 128
    layers = ((784, 400), (400, 40), (20, 400), (400, 784))
    jobs.append(Job(group, PRODUCTS, PYTORCH, count, "images", 1, products_of_training(layers, 128, count // 128)))
    if config.peers:
        import peers

        flat = images.reshape(-1, 784)
        for name, batches in ((PYTORCH, peers.by_index), ("PyTorch, DataLoader", peers.by_loader)):
            run = peers.epoch_of(peers.DenseVAE(), flat, 128, batches)
            jobs.append(Job(group, name, PYTORCH, count, "images", 1, run))
        jobs.append(Job(group, "pythae's trainer", PYTORCH, count, "images", 1, peers.pythae_epoch(images, 128)))
    for side, share in ((64, 60), (32, 15)):
        for batch in config.batches:
            images = random.randint(0, 256, (max(config.images // share, batch), side, side, 1)).astype(np.uint8)
            jobs += conv_jobs(images, batch, config.peers)
    return jobs


def conv_jobs(images: Any, batch: int, with_peers: bool) -> list[Job]:
    """Burgess's network, ours and PyTorch's."""
    from vae_jax.models.networks import NETWORKS, NetworkConfig

    side = images.shape[1]
    group, count = f"Burgess {side}×{side}, batch {batch}", len(images) // batch * batch
    networks = NETWORKS["conv"].build(NetworkConfig((side, side, 1), 10, (256, 256)))
    jobs = ours(group, *networks, images, batch)
    if with_peers:
        import peers

        pixels = images.transpose(0, 3, 1, 2)
        for name, last in ((PYTORCH, False), ("PyTorch, channels last", True)):
            run = peers.epoch_of(peers.BurgessVAE(side), pixels, batch, peers.by_index, last=last)
            jobs.append(Job(group, name, PYTORCH, count, "images", 1, run))
    return jobs


def ours(group: str, encoder: Any, decoder: Any, images: Any, batch: int) -> list[Job]:
    """An epoch as one program; and, as Flax's examples have it, one jitted step a batch from the host."""
    import jax
    import numpy as np

    from vae_jax import VAE, training
    from vae_jax.data import Examples

    recipe = training.Recipe(model=VAE(encoder, decoder), batch_size=batch)
    members, data = training.grid(recipe), jax.device_put(Examples(images))
    steps = len(images) // batch
    key, hyper = members.keys[0], members.hyper(0)
    state = jax.jit(partial(training.init, recipe))(key, data)
    epoch = jax.jit(partial(training.epoch, recipe))
    step = jax.jit(partial(training.step, recipe))

    def from_the_host():
        now, order = state, np.random.permutation(len(images))
        for index in range(steps):
            now, _ = step(now, key, hyper, Examples(images[order[index * batch : (index + 1) * batch]]))
        jax.block_until_ready(now)

    def run():
        jax.block_until_ready(epoch(state, key, hyper, data))

    count = steps * batch
    return [
        Job(group, "vae_jax, an epoch as one program", PYTORCH, count, "images", 1, run),
        Job(group, "one jitted step a batch", PYTORCH, count, "images", 1, from_the_host),
    ]


def products_of_training(layers: Any, batch: int, steps: int) -> Callable:
    """The matrix products of training, forward and backward, and nothing else."""
    import jax
    import jax.numpy as jnp

    shapes = [((batch, i), (i, o), (batch, o)) for i, o in layers]
    arrays = [[jnp.full(shape, 1e-3) for shape in three] for three in shapes]

    @jax.jit
    def run(arrays):
        def step(scale, _):
            total = scale
            for index, (x, w, dy) in enumerate(arrays):
                parts = [(x * scale) @ w, x.T @ (dy * scale)] + ([(dy * scale) @ w.T] if index else [])
                total = total + sum(jnp.max(part) for part in parts)
            return 1.0 + 1e-9 * total, None

        return jax.lax.scan(step, jnp.float32(1), length=steps)[0]

    return lambda: jax.block_until_ready(run(arrays))


def population_jobs(config: Config) -> list[Job]:
    """Populations of the MNIST program as one program, in every layout, beside single epochs one after another."""
    import jax
    import numpy as np

    from vae_jax import sweep, training
    from vae_jax.keys import Keys
    from vae_jax.training.layout import OVER

    recipe, data = mnist_program(config)
    devices, jobs = jax.local_devices(), []
    single = jax.jit(partial(training.run, recipe, epochs=1))
    for n in config.members:
        who = sweep.grid(recipe, beta=np.geomspace(0.25, 8, n).tolist())
        group = f"population of {n}"

        def one_by_one(who=who, n=n):
            keys = [Keys(int(seed)).train for seed in who.seeds]
            return [jax.block_until_ready(single(keys[i], who.hyper(i), data)) for i in range(n)]

        jobs.append(Job(group, SINGLE, SINGLE, n, "models", 1, one_by_one))
        for count in sorted({1, len(devices)}):
            for within in sweep.WITHIN:
                for over in OVER if count > 1 else OVER[:1]:
                    how: Any = {"devices": devices[:count], "within": within, "over": over, "chunk": n}
                    run = partial(sweep.sweep, recipe, who, data, epochs=1, progress=False, **how)
                    name = f"one program, {within}" + (f", {over}" if count > 1 else "")
                    jobs.append(Job(group, name, SINGLE, n, "models", count, run))
    return jobs


def mnist_program(config: Config) -> tuple[Any, Any]:
    """784-400-20 and random images, on the device."""
    import jax
    import numpy as np

    from vae_jax import VAE, training
    from vae_jax.data import Examples
    from vae_jax.models import DenseDecoder, DenseEncoder

    images = np.random.RandomState(0).randint(0, 256, (config.images, 28, 28, 1)).astype(np.uint8)
    recipe = training.Recipe(model=VAE(DenseEncoder(20), DenseDecoder((28, 28, 1))))
    return recipe, jax.device_put(Examples(images))


def likelihood_jobs(config: Config) -> list[Job]:
    """log p(x) of images, and two matrix products with a rectifier between them for as many codes."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from vae_jax.data import Examples
    from vae_jax.evaluation import log_likelihood

    recipe, data = mnist_program(config)
    images = np.asarray(data.x[:IMAGES])
    data, count = Examples(images), len(images) * SAMPLES
    params = recipe.model.init(jax.random.key(0), data.x[0] / 255.0)
    hidden, output = (params["decoder"]["params"][name]["kernel"] for name in ("Dense_0", "likelihood"))
    codes = jax.random.normal(jax.random.key(1), (1000, hidden.shape[0]))

    @jax.jit
    def products(codes):
        def step(total, shift):
            return total + jnp.sum(jax.nn.relu((codes + shift) @ hidden) @ output), None

        return jax.lax.scan(step, 0.0, jnp.arange(count // len(codes), dtype=jnp.float32))[0]

    def likelihood():
        return log_likelihood(recipe, params, jax.random.key(2), data, num_samples=SAMPLES, progress=False)

    group, ready = f"log p(x), {SAMPLES:,} samples an image", jax.block_until_ready
    jobs = [
        Job(group, "vae_jax", PRODUCTS, count, "samples", 1, likelihood),
        Job(group, PRODUCTS, PRODUCTS, count, "samples", 1, lambda: ready(products(codes))),
    ]
    if config.peers:
        import peers

        run = peers.pythae_likelihood(images[:PYTHAE_IMAGES], SAMPLES)
        jobs.append(Job(group, "pythae's get_nll", PRODUCTS, PYTHAE_IMAGES * SAMPLES, "samples", 1, run))
    return jobs


def saving_jobs(config: Config) -> list[Job]:
    """What nothing lost costs: a checkpoint as a run writes it, and the SHA-256 of the data as it is recorded there."""
    import numpy as np

    from vae_jax.data.table import Dataset, fingerprint
    from vae_jax.runs.store import Store
    from vae_jax.training import begin, fit, grid

    recipe, data = mnist_program(config)
    members, store = grid(recipe), Store(config.out / "checkpoints")
    population = begin(recipe, members, data)
    images = np.asarray(data.x)
    dataset = Dataset("random", *(data._replace(x=images[::n]) for n in (1, 60, 6)))

    def epoch():
        return list(fit(recipe, members, data, epochs=1, progress=False))

    def save():
        store.save(1, {"states": population.states(), "bad": population.bad}, {"data": "", "config": {}})

    return [
        Job("saving", EPOCH, EPOCH, 1, "epochs", 1, epoch),
        Job("saving", CHECKPOINT, EPOCH, 1, "checkpoints", 1, save),
        Job("saving", FINGERPRINT, EPOCH, 1, "fingerprints", 1, lambda: fingerprint(dataset)),
    ]


def command_jobs(config: Config) -> list[Job]:
    """The default command as a process of its own, from Enter to prompt; `config` says nothing of it."""
    del config
    kept = tempfile.TemporaryDirectory()

    def run(folder: str) -> None:
        script = Path(__file__).parent / "train.py"
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": folder, "TQDM_DISABLE": "1"}
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, str(script), "--out", f"{out}/run"]
            subprocess.run(command, check=True, env=environment, capture_output=True)

    def cold():
        with tempfile.TemporaryDirectory() as folder:
            run(folder)

    group = "the default command, 100 epochs of digits"
    return [
        Job(group, COLD, COLD, 1, "runs", 1, cold),
        Job(group, WARM, COLD, 1, "runs", 1, lambda: run(kept.name)),
    ]


JOBS: dict[str, Callable[[Config], list[Job]]] = {
    "training": training_jobs,
    "likelihood": likelihood_jobs,
    "population": population_jobs,
    "saving": saving_jobs,
    "command": command_jobs,
}

if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
