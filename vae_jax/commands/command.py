"""The registry of commands: `vae-jax NAME`, and `python experiments/NAME.py` for those that have a script."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from vae_jax.registry import Registry


@dataclass(frozen=True)
class Command:
    """One entry of `COMMANDS`: a module of that name in this folder, whose docstring `--help` begins with.

    Attributes:
      name: what it is called.
      main: the command, a function of its flags.
      flags: the dataclass of its flags; if it inherits from several, these are the groups of `--help`.
      lists: whether `--help` lists what the flags choose from.
    """

    name: str
    main: Callable[[Any], None]
    _: KW_ONLY
    flags: type[Any]
    lists: bool = False

    @property
    def description(self) -> str:
        """What `--help` begins with."""
        from vae_jax.commands.words import tables

        words = sys.modules[self.main.__module__].__doc__ or ""
        return f"{words}\n{tables()}" if self.lists else words

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (sys.modules[self.main.__module__].__doc__ or "").partition("\n")[0]

    def run(self, arguments: Sequence[str], prog: str | None = None) -> None:
        """Parse the arguments and run it; see `cli.run_command`."""
        from vae_jax.commands.cli import run_command

        run_command(self.main, self.flags, self.description, arguments=list(arguments), prog=prog)


COMMANDS = Registry("command", "vae_jax.commands", Command)
