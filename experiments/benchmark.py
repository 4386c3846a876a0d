"""How fast: each figure beside what it is measured against, in one run on this machine.

Populations of the classic MNIST program (784-400-20, batch 128) on random images of MNIST's size: seconds an epoch of a
population as one program, against its members' single epochs one after another. Its log p(x) by importance sampling,
against the matrix products of its decoder for as many codes. A checkpoint with its manifest, and the fingerprint of the
data, against an epoch. Ratios carry over between runs on a noisy machine; seconds do not.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.commands.cli import run_command
from vae_jax.runs.trainer import SAVE_EVERY

SINGLE = "single epochs, one after another"
PRODUCTS = "the decoder's matrix products alone"
EPOCH = "an epoch of one model"
CHECKPOINT = "a checkpoint, its manifest and sums"
FINGERPRINT = "the fingerprint of the data"
EPOCHS = 15  # of the MNIST program
IMAGES, SAMPLES = 500, 1000  # of log p(x)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the benchmark."""

    members: tuple[int, ...] = (8,)
    """Sizes of the populations."""
    images: int = 60_000
    """Training images."""
    repeats: int = 3
    """Each figure is the fastest of so many, taken in turns."""
    out: Path = Path("runs/benchmark")
    """Folder for benchmark.json."""


def main(config: Config) -> None:
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    import numpy as np

    from vae_jax import VAE, sweep, training
    from vae_jax.data import Examples
    from vae_jax.keys import Keys
    from vae_jax.models import DenseDecoder, DenseEncoder
    from vae_jax.progress import bar

    model = VAE(DenseEncoder(20), DenseDecoder((28, 28, 1)))
    recipe = training.Recipe(model=model)
    images = np.random.RandomState(0).randint(0, 256, (config.images, 28, 28, 1)).astype(np.uint8)
    data = jax.device_put(Examples(images))
    devices = jax.local_devices()
    counts = sorted({1, len(devices)})
    jobs: list[Job] = []
    single = jax.jit(partial(training.run, recipe, epochs=1))
    for n in config.members:
        who = sweep.grid(recipe, beta=np.geomspace(0.25, 8, n).tolist())

        def one_by_one(who=who, n=n):
            keys = [Keys(int(seed)).train for seed in who.seeds]
            return [jax.block_until_ready(single(keys[i], who.hyper(i), data)) for i in range(n)]

        jobs.append(Job(SINGLE, SINGLE, n, "models", 1, one_by_one))
        for count in counts:
            for within in sweep.WITHIN:
                how: Any = {"devices": devices[:count], "within": within, "chunk": n, "progress": False}
                run = partial(sweep.sweep, recipe, who, data, epochs=1, **how)
                jobs.append(Job(f"one program, {within}", SINGLE, n, "models", count, run))
    jobs += likelihood_jobs(recipe, Examples(images[:IMAGES]))
    jobs += saving_jobs(recipe, data, config.out)

    fastest = [float("inf")] * len(jobs)
    with bar(total=len(jobs) * (config.repeats + 1), desc="benchmark") as words:
        for turn in range(config.repeats + 1):  # the first compiles
            for index, job in enumerate(jobs):
                started = time.perf_counter()
                job.run()
                if turn:
                    fastest[index] = min(fastest[index], time.perf_counter() - started)
                words.update()
    peers = {
        (job.what, job.number): seconds for job, seconds in zip(jobs, fastest, strict=True) if job.what == job.peer
    }
    rows = [
        {
            "what": job.what,
            "peer": job.peer,
            job.unit: job.number,
            "devices": job.devices,
            "seconds": seconds,
            f"{job.unit}_per_second": job.number / seconds,
            "ratio_to_peer": seconds / peers[job.peer, job.number],
        }
        for job, seconds in zip(jobs, fastest, strict=True)
    ]
    config.out.mkdir(parents=True, exist_ok=True)
    seconds = {row["what"]: row["seconds"] for row in rows}
    # As a run saves: a checkpoint every so many seconds at most, and the fingerprint once.
    share = seconds[CHECKPOINT] / max(SAVE_EVERY, seconds[EPOCH]) + seconds[FINGERPRINT] / (EPOCHS * seconds[EPOCH])
    machine = {"platform": devices[0].platform, "device": devices[0].device_kind, "jax": jax.__version__}
    found = {**machine, "saving": share, "rows": rows}
    (config.out / "benchmark.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"{'':38}{'devices':>9}{'seconds':>10}{'to peer':>9}")
    for job, row in zip(jobs, rows, strict=True):
        numbers = f"{row['devices']:>9}{row['seconds']:>10.2f}{row['ratio_to_peer']:>9.2f}"
        print(f"{row['what']:38}{numbers}   {job.number / row['seconds']:,.1f} {job.unit} a second")
    print(f"A run of {EPOCHS} epochs, saved every {SAVE_EVERY:g} s at most, spends {share:.1%} of its time on saving.")


class Job(NamedTuple):
    """Something timed: its name, that of its peer, how many of which unit it does, on how many devices, and how."""

    what: str
    peer: str
    number: int
    unit: str
    devices: int
    run: Callable[[], Any]


def likelihood_jobs(recipe: Any, data: Any) -> list[Job]:
    """log p(x) of images, and two matrix products with a rectifier between them for as many codes."""
    import jax
    import jax.numpy as jnp

    from vae_jax.evaluation import log_likelihood

    count = len(data.x) * SAMPLES
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

    return [
        Job(PRODUCTS, PRODUCTS, count, "samples", 1, lambda: jax.block_until_ready(products(codes))),
        Job("log p(x) by importance sampling", PRODUCTS, count, "samples", 1, likelihood),
    ]


def saving_jobs(recipe: Any, data: Any, out: Path) -> list[Job]:
    """What nothing lost costs: a checkpoint as a run writes it, and the SHA-256 of the data as it is recorded there."""
    import numpy as np

    from vae_jax.data.table import Dataset, fingerprint
    from vae_jax.runs.store import Store
    from vae_jax.training import begin, fit, grid

    members, store = grid(recipe), Store(out / "checkpoints")
    population = begin(recipe, members, data)
    images = np.asarray(data.x)
    dataset = Dataset("random", *(data._replace(x=images[::n]) for n in (1, 60, 6)))

    def epoch():
        return list(fit(recipe, members, data, epochs=1, progress=False))

    def save():
        store.save(1, {"states": population.states(), "bad": population.bad}, {"data": "", "config": {}})

    return [
        Job(EPOCH, EPOCH, 1, "epochs", 1, epoch),
        Job(CHECKPOINT, EPOCH, 1, "checkpoints", 1, save),
        Job(FINGERPRINT, EPOCH, 1, "fingerprints", 1, lambda: fingerprint(dataset)),
    ]


if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
