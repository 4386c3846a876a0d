"""The table of formats that `export.py --to` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vae_jax.table import Table, summary
from vae_jax.training.trained import Trained


@dataclass(frozen=True)
class Format:
    """One entry of `FORMATS`.

    Attributes:
      name: what `--to` takes.
      write: a model, a folder, and the folder of its run -> the files that it wrote there.
    """

    name: str
    write: Callable[[Trained, Path, Path], list[Path]]

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.write)


FORMATS: Table[Format] = Table("format", "vae_jax.export")


def register(name: str) -> Callable:
    """Register the decorated function in `FORMATS` under `name`."""

    def enter(write):
        FORMATS.add(name, Format(name, write))
        return write

    return enter
