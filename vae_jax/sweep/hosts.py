"""Several processes, each with its slice of a population: under `jax.distributed`, on one table of results."""

import json
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError


def join(coordinator: str | None = None, processes: int | None = None, index: int | None = None) -> None:
    """Join the other processes. Without arguments the cluster is found by JAX: SLURM, Open MPI, Kubernetes, Cloud TPU.

    Must come before anything else touches a device.

    Args:
      coordinator: `address:port` of process 0.
      processes: how many there are.
      index: which this one is, from 0.

    Raises:
      InputError: no cluster was found, or some of the three were given and not all.
    """
    given = [coordinator, processes, index]
    if any(value is None for value in given) and any(value is not None for value in given):
        raise InputError("--coordinator, --processes and --process go together: give all three, or none of them.")
    try:
        jax.distributed.initialize(coordinator, processes, index)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"no other processes could be joined ({reason}); start under SLURM, Open MPI or Kubernetes, or give "
            "--coordinator ADDRESS:PORT --processes N --process I."
        ) from error


def my_slice(n: int) -> np.ndarray:
    """Which of n members are this process's: every so-manieth, so that neighbours in a grid are spread."""
    return np.arange(jax.process_index(), n, jax.process_count())


def gather(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all processes, in each of them. Nothing else crosses between processes."""
    if jax.process_count() == 1:
        return list(rows)
    from jax.experimental.multihost_utils import process_allgather

    text = np.frombuffer(json.dumps(list(rows)).encode(), np.uint8)
    longest = int(np.max(process_allgather(np.array(len(text)))))
    everyone = process_allgather(np.pad(text, (0, longest - len(text)), constant_values=ord(" ")))
    return [row for part in np.asarray(everyone) for row in json.loads(part.tobytes())]
