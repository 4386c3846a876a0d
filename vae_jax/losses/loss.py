"""The registry of losses that a run can be trained with, read by the command line, the tests and the docs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

from vae_jax.hyperparameter import Declared, Hyperparameter, check, declared, declared_by
from vae_jax.losses._calls import MARK
from vae_jax.registry import Registry, summary

# No critic may have the name of the model, which has its own optimiser, or of one of its parts.
PARTS = ("model", "encoder", "decoder", "posterior", "likelihood", "prior")


class ExampleLoss(Protocol):
    """A loss of one example; lift it over a batch with `jax.vmap`."""

    def __call__(self, key: Array, x: Array, encode: Any, decode: Any, /, **options: Any) -> tuple[Array, Any]:
        """`(loss [], Terms)`; the options are `prior`, the sizes and the hyperparameters."""
        ...


class BatchLoss(Protocol):
    """A loss of a `Batch`, marked by `per_batch`."""

    def __call__(self, batch: Any, /, **options: Any) -> Array:
        """The loss, `[]`; the options are `axis_name` and the hyperparameters."""
        ...


class Critic(NamedTuple):
    """A network that a loss trains for its own use, alongside the model and with its own objective.

    Its input may be x, a reconstruction or z: its loss gets the whole `Batch`.

    Attributes:
      init: `(key, x, z, **sizes) -> params`, from one example as the model sees it and its code.
      apply: `(params, input) -> logits`, `[]` or a map of them.
      loss: `(key, Batch, critic: input -> logits) -> []`, what its parameters minimise; no gradient flows to the batch.
      learning_rate: that of its optimiser, Adam(b1=0.5, b2=0.9); `NAME_learning_rate` in a run's `hyper`.
      sizes: keywords of `init`, static.
    """

    init: Callable[..., Any]
    apply: Callable[[Any, Array], Array]
    loss: Callable[[Array, Any, Callable[[Array], Array]], Array]
    learning_rate: Hyperparameter
    sizes: Declared = MappingProxyType({})


class Ramp(NamedTuple):
    """How a hyperparameter rises from 0 during training, linearly over some steps.

    Attributes:
      steps: the default of `NAME_steps`, how many steps the rise takes; 0 for no ramp.
      period: the default of `NAME_period`, after how many steps it starts again; 0 for never, None if it cannot repeat.
    """

    steps: float = 0.0
    period: float | None = None


@dataclass(frozen=True)
class Loss:
    """One entry of `LOSSES`.

    Its hyperparameters are the keywords of its function that have a number as their default. Whole numbers are sizes,
    which are static; the others become leaves of a run's `hyper`.

    Attributes:
      name: what `--loss` takes.
      function: for one example, `(key, x, encode, decode, *, prior, **hyper) -> (loss [], Terms)`; or, marked by
        `per_batch`, for a batch, `(Batch, **hyper) -> loss []`. If it has a keyword `corruption`, the default of that
        is applied to what the encoder sees in training.
      ranges: the ranges of hyperparameters for which "at least 0" is not right.
      fixed: keywords with a number as their default that a run cannot set.
      posterior: the default q(z|x), a name in `vae_jax.models.POSTERIORS`.
      point: whether it takes only posteriors without a density, points.
      fixed_posterior: whether it is defined only for that posterior.
      likelihood: the default p(x|z), a name in `vae_jax.models.LIKELIHOODS`.
      fixed_likelihood: whether it is defined only for that likelihood.
      uses_prior: whether it matches the codes to the prior, so that samples of the prior can be decoded.
      conditional: whether the label goes into encoder and decoder.
      smallest_batch: the fewest examples that it is defined for, if it is one of a batch.
      beta_elbo: whether it is −log p(x|z) + β·KL, so that the known optimum of the β-VAE applies.
      ramps: hyperparameter -> how it rises during training.
      critics: name -> a network trained in the same step with an optimiser of its own.
      sizes: the sizes of the function and of the critics; those not given have their defaults.
      hyper: its hyperparameters, including those of ramps and the sizes of critics.

    Raises:
      TypeError: a switch such as `conditional` is not a bool.
      ValueError: a range or a ramp for something that is not a hyperparameter; a critic named like a part of the model.
    """

    name: str
    function: Callable[..., Any]
    _: KW_ONLY
    ranges: Mapping[str, Hyperparameter] = field(default_factory=dict, hash=False)
    fixed: tuple[str, ...] = ()
    posterior: str = "normal"
    point: bool = False
    fixed_posterior: bool = False
    likelihood: str = "bernoulli"
    fixed_likelihood: bool = False
    uses_prior: bool = True
    conditional: bool = False
    smallest_batch: int = 1
    beta_elbo: bool = False
    ramps: Mapping[str, Ramp] = field(default_factory=dict, hash=False)
    critics: Mapping[str, Critic] = field(default_factory=dict, hash=False)
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    hyper: Declared = field(init=False, hash=False)

    def __post_init__(self):
        switches = (
            self.point,
            self.fixed_posterior,
            self.fixed_likelihood,
            self.uses_prior,
            self.conditional,
            self.beta_elbo,
        )
        if not all(isinstance(switch, bool) for switch in switches):
            raise TypeError(f"loss {self.name!r}: expected True or False for its switches; got {switches}.")
        if taken := sorted(set(PARTS) & self.critics.keys()):
            raise ValueError(f"loss {self.name!r}: a critic cannot be called {taken[0]!r}; the model uses that name.")
        hyper = self._declarations()
        defaults = {name: int(entry.default) for name, entry in hyper.items() if entry.integer}
        object.__setattr__(self, "hyper", hyper)
        object.__setattr__(self, "sizes", MappingProxyType({**defaults, **self.sizes}))

    def _declarations(self) -> Declared:
        own = declared_by(self.function, declared(self.ranges), fixed=self.fixed)
        if other := sorted(self.ramps.keys() - own.keys()):
            raise ValueError(f"loss {self.name!r}: {other[0]!r} has a ramp, and is no hyperparameter.")
        found: dict[str, float | Hyperparameter] = {}
        for name, entry in own.items():
            found[name] = entry
            if name in self.ramps:
                found[f"{name}_steps"] = self.ramps[name].steps
                if self.ramps[name].period is not None:
                    found[f"{name}_period"] = self.ramps[name].period or 0.0
        for critic in self.critics.values():
            found.update(critic.sizes)
        return declared(found)

    @property
    def batch(self) -> bool:
        """Whether it is a function of a batch."""
        return getattr(self.function, MARK, False)

    @property
    def own_sizes(self) -> dict[str, int]:
        """The sizes that are keywords of its function; the others are those of its critics."""
        return self.sizes_of(inspect.signature(self.function).parameters)

    @property
    def corrupt(self) -> Callable[..., Array] | None:
        """`(key, x, **hyper) -> x`, what the encoder sees of x in training; None for x itself."""
        parameter = inspect.signature(self.function).parameters.get("corruption")
        return None if parameter is None else parameter.default

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.function)

    @property
    def declared(self) -> Declared:
        """Every hyperparameter, including those of the critics' optimisers."""
        rates = {f"{name}_learning_rate": critic.learning_rate for name, critic in self.critics.items()}
        return {**self.hyper, **rates}

    def at(self, step: Array | float, hyper: Mapping[str, Array]) -> dict[str, Array]:
        """The function's hyperparameters at a step, ramps applied; defaults where `hyper` has none.

        Args:
          step: how many steps are done, `[]`; infinity for the end, where every ramp is complete.
          hyper: name -> `[]`.

        Returns:
          name -> `[]`, keyword arguments of the function.
        """
        own = {
            name: jnp.asarray(hyper.get(name, entry.default), jnp.float32)
            for name, entry in self.hyper.items()
            if not entry.integer
        }
        for name in self.ramps:
            steps, period = own.pop(f"{name}_steps"), own.pop(f"{name}_period", None)
            if period is None:
                now = step
            else:  # at infinity a ramp is complete, and has no remainder
                cyclic = (period > 0) & jnp.isfinite(step)
                now = jnp.where(cyclic, jnp.mod(step, jnp.maximum(period, 1.0)), step)
            own[name] *= jnp.where(steps > 0, jnp.minimum(now / jnp.maximum(steps, 1.0), 1.0), 1.0)
        return own

    def choose(self, **sizes: int) -> "Loss":
        """The same loss with other sizes, as in `LOSSES["iwae"].choose(num_samples=50)`.

        Raises:
          InputError: a size that it does not have, or one that is out of range.
        """
        known = {name: entry for name, entry in self.hyper.items() if entry.integer}
        chosen = {name: int(check(name, size, known, owner=f"loss {self.name!r}")) for name, size in sizes.items()}
        return replace(self, sizes=MappingProxyType({**self.sizes, **chosen}))

    def sizes_of(self, names: Mapping[str, Any]) -> dict[str, int]:
        """The sizes with these names, such as those of the function or of one critic."""
        return {name: size for name, size in self.sizes.items() if name in names}


LOSSES = Registry("loss", "vae_jax.losses", Loss)
