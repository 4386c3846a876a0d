"""What `benchmark.py` times of whole commands: processes of their own, from Enter to prompt."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from contestants import Job, Sizes, epoch_job, random_images

from vae_jax.models import DenseDecoder, DenseEncoder

COLD, WARM = "train.py, nothing compiled before", "train.py, all compiled before"
FIRST = "train.py, to the first epoch's numbers"
ALONE = "the epochs alone, compiled"
COMMAND_EPOCHS = 10  # of the MNIST command
MODELS = 3  # that a sweep and single commands train
DIGITS = "the default command, 100 epochs of digits"
SEVERAL = f"{MODELS} models, 20 epochs of digits"
MNIST = f"the MNIST command, {COMMAND_EPOCHS} epochs"


def command_jobs(sizes: Sizes) -> list[Job]:
    """Commands as processes of their own, from Enter to prompt."""
    kept = tempfile.TemporaryDirectory()
    train, sweeps = (str(Path(__file__).parent / name) for name in ("train.py", "sweep.py"))
    few = ["--epochs", "20"]
    betas = [str(2.0**power) for power in range(MODELS)]

    def cold() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return command([train], folder)

    def one_by_one() -> int:
        return max(command([train, "--beta", beta, *few], kept.name) for beta in betas)

    jobs = [
        command_job(DIGITS, WARM, COLD, 1, "runs", lambda: command([train], kept.name)),
        command_job(DIGITS, COLD, COLD, 1, "runs", cold),
        command_job(DIGITS, FIRST, COLD, 1, "runs", lambda: command([train], kept.name, until="metrics.jsonl")),
    ]
    several = [sweeps, "--betas", *betas, "--seeds", "1", *few]
    jobs += [
        command_job(SEVERAL, "sweep.py", "a process a model", MODELS, "models", lambda: command(several, kept.name)),
        command_job(SEVERAL, "a process a model", "a process a model", MODELS, "models", one_by_one),
    ]
    return jobs + (mnist_jobs(sizes, sizes.mnist, kept.name) if sizes.mnist else [])


def mnist_jobs(sizes: Sizes, folder: Path, programs: str) -> list[Job]:
    """The MNIST command beside its own epochs and the PyTorch script."""
    epochs = ["--epochs", str(COMMAND_EPOCHS)]
    chosen = [str(Path(__file__).parent / "train.py"), "--data", "mnist", "--manual-dir", str(folder), "--latent", "20"]
    networks = DenseEncoder(20), DenseDecoder((28, 28, 1))
    alone = epoch_job(MNIST, ALONE, ALONE, networks, random_images(60_000, 28), 128, epochs=COMMAND_EPOCHS)
    jobs = [
        alone,
        command_job(MNIST, WARM, ALONE, alone.number, "images", lambda: command([*chosen, *epochs], programs)),
    ]
    if sizes.peers:
        script = [str(Path(__file__).parent / "peers.py"), str(folder), str(COMMAND_EPOCHS)]
        jobs.append(command_job(MNIST, "the PyTorch script", ALONE, alone.number, "images", lambda: command(script)))
    return jobs


def command_job(group: str, what: str, peer: str, number: int, unit: str, run: Callable[[], int]) -> Job:
    """A job whose `run` returns the peak memory of the process that it starts."""
    peak = [0]

    def remember() -> None:
        peak[0] = max(peak[0], run())

    return Job(group, what, peer, number, unit, remember, memory=lambda: peak[0])


def command(arguments: Sequence[str], programs: str | None = None, *, until: str | None = None) -> int:
    """Run a script as a process of its own; its peak memory in bytes.

    Args:
      arguments: the script and its flags.
      programs: the folder of compiled programs; None for a script that is not ours.
      until: a file of the run at whose first line the clock, and the process, stop.
    """
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    with tempfile.TemporaryDirectory() as out:
        if programs:
            environment["JAX_COMPILATION_CACHE_DIR"] = programs
            arguments = [*arguments, "--out", f"{out}/run"]
        with (Path(out) / "said").open("wb") as said:
            process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=said, stderr=said)
            peak, awaited = 0, Path(out) / "run" / until if until else None
            while process.poll() is None:
                peak = max(peak, resident_peak(process.pid))
                if awaited and awaited.exists() and awaited.stat().st_size:
                    process.kill()
                time.sleep(0.005)
        if process.returncode and not until:
            raise RuntimeError(f"{' '.join(arguments)}:\n{(Path(out) / 'said').read_text(encoding='utf-8')}")
    return peak


def resident_peak(process: int) -> int:
    """The most bytes of memory that a running process has held so far; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
