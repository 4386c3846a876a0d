"""The table of losses that a run can be trained with, read by the command line, the tests and the docs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Loss:
    """One entry of `LOSSES`.

    Attributes:
      name: what `--loss` takes.
      function: for one example, `(key, x, encode, decode, *, prior, **hyper) -> (loss [], Terms)`; or, where `batch` is
        set, of the `Terms` of a batch, `(terms, **hyper) -> loss []`.
      hyper: its hyperparameters and their defaults; each becomes a leaf of a run's `hyper`.
      batch: the loss is a function of a batch's terms.
      posterior: the family of q(z|x) that it trains, a name in `vae_jax.posteriors.POSTERIORS`.
      conditional: the label goes into encoder and decoder.
      corrupt: `(key, x, **hyper) -> x`, what the encoder sees of x in training; None for x itself.
      ramps: hyperparameter -> another one that says over how many steps it rises from 0 (0 steps: at once).
    """

    name: str
    function: Callable[..., Any]
    hyper: Mapping[str, float] = field(default_factory=dict, hash=False)
    batch: bool = False
    posterior: str = "normal"
    conditional: bool = False
    corrupt: Callable[..., Array] | None = None
    ramps: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").partition("\n")[0]

    def at(self, step: Array | float, hyper: Mapping[str, Array]) -> dict[str, Array]:
        """The function's hyperparameters at a step, the ramped ones risen so far; defaults where `hyper` has none."""
        own = {name: jnp.asarray(hyper.get(name, default), jnp.float32) for name, default in self.hyper.items()}
        for name, length in self.ramps.items():
            steps = own.pop(length)
            own[name] *= jnp.where(steps > 0, jnp.minimum(step / jnp.maximum(steps, 1.0), 1.0), 1.0)
        return own


LOSSES: dict[str, Loss] = {}


def register(
    name: str,
    *,
    batch: bool = False,
    posterior: str = "normal",
    conditional: bool = False,
    corrupt: Callable[..., Array] | None = None,
    ramps: Mapping[str, str] | None = None,
    **hyper: float,
) -> Callable:
    """Put the decorated function into `LOSSES` under `name`; keywords as in `Loss`, all others are hyperparameters."""

    def enter(function):
        if name in LOSSES:
            raise ValueError(f"a loss named {name!r} exists already; choose another name.")
        LOSSES[name] = Loss(
            name,
            function,
            MappingProxyType(hyper),
            batch,
            posterior,
            conditional,
            corrupt,
            MappingProxyType(dict(ramps or {})),
        )
        return function

    return enter
