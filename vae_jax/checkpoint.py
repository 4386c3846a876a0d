"""Checkpoints of a training `State` with Orbax, one an epoch."""

from pathlib import Path
from types import TracebackType
from typing import Any

import jax

KEPT = 2  # the newest so many stay on disk


class Checkpoints:
    """The checkpoints in a folder, as a context manager.

    with Checkpoints(folder) as checkpoints:
        epochs_done, state = checkpoints.restore(state)
        checkpoints.save(epochs_done + 1, state)
    """

    def __init__(self, folder: Path):
        from orbax.checkpoint import v1 as ocp

        newest: Any = ocp.training.preservation_policies.LatestN(KEPT)
        self._checkpointer = ocp.training.Checkpointer(
            str(folder.resolve()), preservation_policy=newest, cleanup_tmp_directories=True
        )

    def save(self, epoch: int, state: Any) -> None:
        """Write the state after `epoch`; returns once it is whole on disk.

        Raises:
          OSError: nothing was written.
        """
        if not self._checkpointer.save(epoch, state, force=True):
            raise OSError(f"the checkpoint of epoch {epoch} was not written to {self._checkpointer.directory}.")

    def restore(self, template: Any) -> tuple[int, Any]:
        """`(epochs done, state)` of the newest checkpoint, laid out like the template; `(0, template)` without one."""
        latest = self._checkpointer.latest
        if latest is None:
            return 0, template
        layout = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), template
        )
        return latest.step, self._checkpointer.load(latest.step, layout)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._checkpointer.close()
