"""Several processes on one population: joining under `jax.distributed`, agreeing on values, losing a process."""

import ctypes
import os
import signal
from typing import Any

import jax
import numpy as np

from vae_jax.errors import InputError


def join(coordinator: str | None = None, processes: int | None = None, index: int | None = None) -> None:
    """Join the other processes. Without arguments JAX detects the cluster: SLURM, Open MPI, Kubernetes, Cloud TPU.

    Must come before anything else touches a device.

    Args:
      coordinator: `address:port` of process 0.
      processes: how many there are.
      index: which this one is, from 0.

    Raises:
      InputError: no cluster was detected, or only some of the three were given.
    """
    given = [coordinator, processes, index]
    if any(value is None for value in given) and any(value is not None for value in given):
        raise InputError("--coordinator, --processes and --process go together: give all three, or none of them.")
    try:
        jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM for itself: see `stopping`
        jax.distributed.initialize(coordinator, processes, index)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"no other processes could be joined ({reason}); start under SLURM, Open MPI or Kubernetes, or give "
            "--coordinator ADDRESS:PORT --processes N --process I."
        ) from error
    _answer_aborts()


LOST = "another process of this job has ended; what is saved is whole. Start all of them again, with --resume."


def joined() -> bool:
    """Whether this is one of several processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_loss(error: Exception) -> bool:
    """Whether an error means that another process is gone, as told by the network or by JAX's own service."""
    signs = ("Gloo", "NCCL", "UNAVAILABLE", "Connection closed", "Socket closed", "distributed service")
    return joined() and any(sign in str(error) for sign in signs)


def leave() -> None:
    """End this process because another was lost: print one line, and wait for none of the others."""
    os.write(2, f"error: {LOST}\n".encode())
    os._exit(1)


def _answer_aborts() -> None:
    """Call `leave` on SIGABRT: if JAX's service notices a loss before a collective does, it aborts from its own thread.

    Only a C handler is called then; a Python handler would wait for the main thread.
    """
    if os.name == "posix":
        libc: Any = ctypes.CDLL(None)
        libc.signal(signal.SIGABRT, _ON_ABORT)


_ON_ABORT = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: leave())


def is_first() -> bool:
    """Whether this process writes the results of all: only process 0 does."""
    return jax.process_index() == 0


def agree(value: int) -> int:
    """The first process's value, in every process: for what depends on a clock or a disk."""
    if jax.process_count() == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return int(broadcast_one_to_all(np.int64(value)))


def wait(name: str) -> None:
    """Wait until all processes get here."""
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(name)
