"""How fast: each figure beside what it is measured against, in one run on this machine.

Populations of the classic MNIST program (784-400-20, batch 128) on random images of MNIST's size: seconds an epoch of a
population as one program, against its members' single epochs one after another. Ratios carry over between runs on a
noisy machine; seconds do not.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vae_jax.command_line import command

SINGLE = "single epochs, one after another"


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
    from tqdm import tqdm

    from vae_jax import VAE, sweep, training
    from vae_jax.data import Examples
    from vae_jax.networks import DenseDecoder, DenseEncoder

    model = VAE(DenseEncoder(20), DenseDecoder((28, 28, 1)))
    recipe = training.Recipe(model=model)
    images = np.random.RandomState(0).randint(0, 256, (config.images, 28, 28, 1)).astype(np.uint8)
    data = jax.device_put(Examples(images))
    devices = jax.local_devices()
    counts = sorted({1, len(devices)})
    jobs: list[tuple[str, int, int, Callable[[], Any]]] = []
    single = jax.jit(partial(training.run, recipe, epochs=1))
    for n in config.members:
        who = sweep.grid(recipe, beta=np.geomspace(0.25, 8, n).tolist())

        def one_by_one(who=who, n=n):
            return [jax.block_until_ready(single(who.keys[i], who.hyper(i), data)) for i in range(n)]

        jobs.append((SINGLE, n, 1, one_by_one))
        for count in counts:
            for within in sweep.WITHIN:
                how: Any = {"devices": devices[:count], "within": within, "chunk": n, "progress": False}
                run = partial(sweep.sweep, recipe, who, data, epochs=1, **how)
                jobs.append((f"one program, {within}", n, count, run))

    fastest = [float("inf")] * len(jobs)
    with tqdm(total=len(jobs) * (config.repeats + 1), desc="benchmark") as bar:
        for turn in range(config.repeats + 1):  # the first compiles
            for index, (*_, job) in enumerate(jobs):
                started = time.perf_counter()
                job()
                if turn:
                    fastest[index] = min(fastest[index], time.perf_counter() - started)
                bar.update()
    peers = {n: seconds for (what, n, _, _), seconds in zip(jobs, fastest, strict=True) if what == SINGLE}
    rows = [
        {
            "what": what,
            "members": n,
            "devices": count,
            "seconds": seconds,
            "models_per_second": n / seconds,
            "ratio_to_single": seconds / peers[n],
        }
        for (what, n, count, _), seconds in zip(jobs, fastest, strict=True)
    ]
    config.out.mkdir(parents=True, exist_ok=True)
    found = {"platform": devices[0].platform, "device": devices[0].device_kind, "jax": jax.__version__, "rows": rows}
    (config.out / "benchmark.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"{'':34}{'models':>8}{'devices':>9}{'s an epoch':>12}{'to single':>11}")
    for row in rows:
        numbers = f"{row['members']:>8}{row['devices']:>9}{row['seconds']:>12.2f}{row['ratio_to_single']:>11.2f}"
        print(f"{row['what']:34}{numbers}")


if __name__ == "__main__":
    command(main, Config, __doc__ or "")
