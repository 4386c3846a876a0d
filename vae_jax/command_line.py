"""Running a command: a dataclass is its flags, and what goes wrong is one plain line."""

import logging
import sys
from collections.abc import Callable
from typing import TypeVar

from vae_jax.errors import InputError

ConfigT = TypeVar("ConfigT")


def command(main: Callable[[ConfigT], None], config: type[ConfigT], description: str) -> None:
    """Parse the command line into `config` and run `main`; an error that a person can act on is one line and exit 1."""
    import tyro

    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        main(tyro.cli(config, description=description))
    except (InputError, ArithmeticError) as error:
        sys.exit(f"error: {error}")
