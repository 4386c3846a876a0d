"""Hyperparameters: read from the signature of a loss, an optimiser or another part, and checked once, here.

Flags, `--set`, `--vary`, `--help`, sweeps and notebooks all read the declarations.
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from vae_jax.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """A number that may be chosen.

    Attributes:
      default: its value unless another is chosen; NaN in a declaration that only gives the range, whose default is in
        the signature of the function (see `declared_by`).
      least: the smallest value allowed.
      most: the largest value allowed.
      exclusive: whether the two ends are excluded.
      integer: whether it is a whole number, a size: sizes are compiled in. Any other number is a leaf of a run's
        `hyper` and can be swept without recompiling.
    """

    default: float = math.nan
    least: float = 0.0
    most: float = math.inf
    exclusive: bool = False
    integer: bool = False

    @property
    def expected(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.integer else "a finite number"
        low = f"above {self.least:g}" if self.exclusive else f"of at least {self.least:g}"
        high = f"below {self.most:g}" if self.exclusive else f"at most {self.most:g}"
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"{kind} {low} and {high}"
        return f"{kind} {low}" if math.isfinite(self.least) else f"{kind} {high}" if math.isfinite(self.most) else kind

    def allows(self, value: float) -> bool:
        """Whether a value is in the range."""
        inside = self.least < value < self.most if self.exclusive else self.least <= value <= self.most
        return math.isfinite(value) and inside and (not self.integer or value == int(value))


Declared = Mapping[str, Hyperparameter]


def declared(values: Mapping[str, float | Hyperparameter]) -> Declared:
    """Declarations by name; a plain number is the default of one that must be at least 0.

    >>> declared({"beta": 4.0})["beta"].expected
    'a finite number of at least 0'
    """
    entries = {n: v if isinstance(v, Hyperparameter) else Hyperparameter(default=v) for n, v in values.items()}
    return MappingProxyType(entries)


def declared_by(function: Callable[..., Any], ranges: Declared, *, fixed: Collection[str] = ()) -> Declared:
    """The hyperparameters of a function: each parameter that has a number for its default, in their order.

    A whole number (`num_samples: int = 5`) declares a size of at least 1, any other a leaf of at least 0.

    Args:
      function: such as a loss.
      ranges: the declarations of those with another range; a default given there overrides that of the signature.
      fixed: parameters that no run may choose.

    Raises:
      ValueError: a range for something that is not a parameter with a number for its default.

    >>> def loss(batch, *, gamma=10.0, rate=0.5, num_samples=5): ...
    >>> found = declared_by(loss, declared({"rate": Hyperparameter(most=1.0)}))
    >>> {name: (entry.default, entry.expected) for name, entry in found.items()}["rate"]
    (0.5, 'a finite number of at least 0 and at most 1')
    >>> found["num_samples"].integer
    True
    """
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        given = ranges.get(name, Hyperparameter())
        default = parameter.default if math.isnan(given.default) else given.default
        if name in fixed or isinstance(default, bool) or not isinstance(default, Real):  # NumPy's numbers are some too
            continue
        is_size = isinstance(default, Integral)
        least = max(given.least, 1) if is_size and name not in ranges else given.least
        found[name] = replace(given, default=default, integer=is_size or given.integer, least=least)
    if other := sorted(ranges.keys() - found.keys()):
        raise ValueError(f"{other[0]!r} has a range, and is no parameter with a number for its default.")
    return MappingProxyType(found)


def size(default: int, *, least: int = 1) -> Hyperparameter:
    """A size: a whole-number hyperparameter."""
    return Hyperparameter(default=default, least=least, integer=True)


def in_words(value: float | str) -> str:
    """A number as a message shows it; of any size, where `:g` alone fails for very large whole numbers."""
    return f"{value:g}" if isinstance(value, float) else str(value)


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
    except (TypeError, ValueError, OverflowError):  # OverflowError: a whole number of more than 308 digits
        number = math.nan
    if not known[name].allows(number):
        raise InputError(f"{given}: expected {known[name].expected}.")
    return int(number) if known[name].integer else number
