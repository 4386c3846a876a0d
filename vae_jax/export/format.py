"""The table of formats that `export.py --to` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vae_jax.registry import Registry, summary
from vae_jax.trained.model import Trained


@dataclass(frozen=True)
class Format:
    """One entry of `FORMATS`.

    Attributes:
      name: what `--to` takes.
      write: `(model, folder to write to, folder of its run) -> the files written`.
    """

    name: str
    write: Callable[[Trained, Path, Path], list[Path]]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.write)


FORMATS = Registry("format", "vae_jax.export", Format)
