"""Hyperparameters: declared once, where a loss, an optimiser or a size is defined, and checked once, here.

Flags, `--set`, `--vary`, `--help`, sweeps and notebooks all read the declarations.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vae_jax.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """A number that may be chosen.

    Attributes:
      default: its value unless another is chosen.
      least: the smallest value allowed.
      most: the largest value allowed.
      exclusive: whether the two ends are excluded.
      whole: whether it is a whole number, a size: sizes are compiled in. Any other number is a leaf of a run's `hyper`
        and can be swept without recompiling.
    """

    default: float
    least: float = 0.0
    most: float = math.inf
    exclusive: bool = False
    whole: bool = False

    @property
    def expected(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.whole else "a finite number"
        low = f"above {self.least:g}" if self.exclusive else f"of at least {self.least:g}"
        high = f"below {self.most:g}" if self.exclusive else f"at most {self.most:g}"
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"{kind} {low} and {high}"
        return f"{kind} {low}" if math.isfinite(self.least) else f"{kind} {high}" if math.isfinite(self.most) else kind

    def allows(self, value: float) -> bool:
        """Whether a value is in the range."""
        inside = self.least < value < self.most if self.exclusive else self.least <= value <= self.most
        return math.isfinite(value) and inside and (not self.whole or value == int(value))


Declared = Mapping[str, Hyperparameter]


def declared(values: Mapping[str, float | Hyperparameter]) -> Declared:
    """Declarations by name; a plain number is the default of one that must be at least 0.

    >>> declared({"beta": 4.0})["beta"].expected
    'a finite number of at least 0'
    """
    entries = {n: v if isinstance(v, Hyperparameter) else Hyperparameter(default=v) for n, v in values.items()}
    return MappingProxyType(entries)


def whole(default: int, *, least: int = 1) -> Hyperparameter:
    """A size: a whole-number hyperparameter."""
    return Hyperparameter(default=default, least=least, whole=True)


def check(name: str, value: Any, known: Declared, *, owner: str, given: str | None = None) -> float | int:
    """The value of a hyperparameter, checked against its declaration.

    Args:
      name: the hyperparameter's name.
      value: a number, or its text.
      known: the declarations.
      owner: what declares them, for the message: "loss 'vae'".
      given: how the user wrote it, as in `--set gamma=-1`; by default `name value`.

    Raises:
      InputError: no such hyperparameter, or the value is not a number or is out of range.
    """
    given = given or f"{name} {value}"
    if name not in known:
        has = nearest(name, known) if known else "it has none."
        raise InputError(f"{given}: {owner} has no hyperparameter {name!r}; {has}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not known[name].allows(number):
        raise InputError(f"{given}: expected {known[name].expected}.")
    return int(number) if known[name].whole else number
