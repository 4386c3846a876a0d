"""The table of losses that a run can be trained with, read by the command line, the tests and the docs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Loss:
    """One entry of `LOSSES`.

    Attributes:
      name: what `--loss` takes.
      function: `(key, x, encode, decode, *, prior, **hyper) -> (loss [], Terms)` for one example.
      hyper: its hyperparameters and their defaults; each becomes a leaf of a run's `hyper`.
    """

    name: str
    function: Callable[..., tuple[Any, Any]]
    hyper: MappingProxyType[str, float] = field(hash=False)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").partition("\n")[0]


LOSSES: dict[str, Loss] = {}


def register(name: str, **hyper: float) -> Callable:
    """Put the decorated function into `LOSSES` under `name`, with its hyperparameters and their defaults."""

    def enter(function):
        if name in LOSSES:
            raise ValueError(f"a loss named {name!r} exists already; choose another name.")
        LOSSES[name] = Loss(name, function, MappingProxyType(hyper))
        return function

    return enter
