"""The table of losses that a run can be trained with, read by the command line, the tests and the docs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array


class Critic(NamedTuple):
    """A network that a loss trains for itself, beside the model and against an objective of its own.

    Attributes:
      init: `(key, latent, **options) -> params`.
      apply: `(params, z [latent]) -> []`.
      loss: `(key, z [batch, latent], critic: z -> []) -> []`, what its parameters minimise.
    """

    init: Callable[..., Any]
    apply: Callable[[Any, Array], Array]
    loss: Callable[[Array, Array, Callable[[Array], Array]], Array]


@dataclass(frozen=True)
class Loss:
    """One entry of `LOSSES`.

    Attributes:
      name: what `--loss` takes.
      function: for one example, `(key, x, encode, decode, *, prior, **hyper) -> (loss [], Terms)`; or, where `batch` is
        set, of the `Terms` of a batch, `(terms, **needs, **hyper) -> loss []`.
      hyper: its hyperparameters and their defaults; each becomes a leaf of a run's `hyper`.
      options: sizes that are compiled in, such as a number of samples: keywords of one example's function, and of
        `critic.init`.
      batch: the loss is a function of a batch's terms.
      needs: what else a batch's loss takes: `data_size` and `pixels` (ints), `prior_samples`
        (`[batch, latent]`) or `critic`.
      posterior: the family of q(z|x) that it trains, a name in `vae_jax.posteriors.POSTERIORS`.
      likelihood: the p(x|z) it is trained with unless told otherwise, a name in `vae_jax.likelihoods.LIKELIHOODS`.
      conditional: the label goes into encoder and decoder.
      corrupt: `(key, x, **hyper) -> x`, what the encoder sees of x in training; None for x itself.
      ramps: hyperparameter -> another one that says over how many steps it rises from 0 (0 steps: at once).
      critic: trained in the same step with its own optimiser.
    """

    name: str
    function: Callable[..., Any]
    hyper: Mapping[str, float] = field(default_factory=dict, hash=False)
    options: Mapping[str, int] = field(default_factory=dict, hash=False)
    batch: bool = False
    needs: tuple[str, ...] = ()
    posterior: str = "normal"
    likelihood: str = "bernoulli"
    conditional: bool = False
    corrupt: Callable[..., Array] | None = None
    ramps: Mapping[str, str] = field(default_factory=dict, hash=False)
    critic: Critic | None = None

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

    def choose(self, **options: int) -> "Loss":
        """The same loss with other sizes, as in `LOSSES["iwae"].choose(num_samples=50)`.

        Raises:
          ValueError: an option that it does not have.
        """
        for name in options:
            if name not in self.options:
                has = ", ".join(self.options) or "none"
                raise ValueError(f"loss {self.name!r} has no option {name!r}; it has {has}.")
        return replace(self, options=MappingProxyType({**self.options, **options}))


LOSSES: dict[str, Loss] = {}


def register(name: str, *, options: Mapping[str, int] | None = None, **entry: Any) -> Callable:
    """Put the decorated function into `LOSSES` under `name`.

    Keywords that are attributes of `Loss` say what it needs; all others are hyperparameters with their defaults.
    """
    structure = {key: entry.pop(key) for key in list(entry) if key in Loss.__dataclass_fields__}
    structure["ramps"] = MappingProxyType(dict(structure.get("ramps", {})))
    structure["options"] = MappingProxyType(dict(options or {}))

    def enter(function):
        if name in LOSSES:
            raise ValueError(f"a loss named {name!r} exists already; choose another name.")
        LOSSES[name] = Loss(name, function, MappingProxyType(entry), **structure)
        return function

    return enter
