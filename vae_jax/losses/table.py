"""The table of losses that a run can be trained with, read by the command line, the tests and the docs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.posteriors import NORMAL, Posterior
from vae_jax.hyperparameter import Declared, Hyperparameter, check, declared
from vae_jax.table import Table, summary


class Critic(NamedTuple):
    """A network that a loss trains for its own use, alongside the model and on a separate objective.

    Attributes:
      init: `(key, latent, **sizes) -> params`.
      apply: `(params, z [latent]) -> []`.
      loss: `(key, z [batch, latent], critic: z -> []) -> []`, what its parameters minimise.
      learning_rate: that of its optimiser, Adam(b1=0.5, b2=0.9); `critic_learning_rate` in a run's `hyper`.
    """

    init: Callable[..., Any]
    apply: Callable[[Any, Array], Array]
    loss: Callable[[Array, Array, Callable[[Array], Array]], Array]
    learning_rate: Hyperparameter


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One entry of `LOSSES`.

    Attributes:
      name: what `--loss` takes.
      function: for one example, `(key, x, encode, decode, *, prior, **hyper) -> (loss [], Terms)`; or, where `batch` is
        set, for a batch, `(Batch, **hyper) -> loss []`.
      hyper: its hyperparameters. Whole numbers are sizes, compiled in: keywords of the function of one example, and of
        `critic.init`. The others become leaves of a run's `hyper`.
      sizes: the chosen sizes.
      batch: whether it is a function of a batch.
      posterior: the family of q(z|x) that it trains unless told otherwise.
      likelihood: the p(x|z) that it is trained with unless told otherwise, a name in `vae_jax.models.LIKELIHOODS`.
      fixed_likelihood: whether it is defined only for that likelihood.
      uses_prior: whether it matches the codes to the prior, so that samples of the prior can be decoded.
      conditional: whether the label goes into encoder and decoder.
      beta_elbo: whether it is −log p(x|z) + β·KL, so that the known optimum of the β-VAE applies.
      corrupt: `(key, x, **hyper) -> x`, what the encoder sees of x in training; None for x itself.
      ramps: hyperparameter -> the one that says over how many steps it rises from 0 (0 steps: no ramp). It does so anew
        every `NAME_period` steps, where such a hyperparameter is declared (0: once).
      critic: trained in the same step with its own optimiser.
    """

    name: str
    function: Callable[..., Any]
    hyper: Declared = field(default_factory=dict, hash=False)
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    batch: bool = False
    posterior: Posterior = NORMAL
    likelihood: str = "bernoulli"
    fixed_likelihood: bool = False
    uses_prior: bool = True
    conditional: bool = False
    beta_elbo: bool = False
    corrupt: Callable[..., Array] | None = None
    ramps: Mapping[str, str] = field(default_factory=dict, hash=False)
    critic: Critic | None = None

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.function)

    @property
    def declared(self) -> Declared:
        """Every hyperparameter, including that of the critic's optimiser."""
        own = {} if self.critic is None else {"critic_learning_rate": self.critic.learning_rate}
        return {**self.hyper, **own}

    def at(self, step: Array | float, hyper: Mapping[str, Array]) -> dict[str, Array]:
        """The function's hyperparameters at a step, ramps applied; defaults where `hyper` has none."""
        own = {
            name: jnp.asarray(hyper.get(name, entry.default), jnp.float32)
            for name, entry in self.hyper.items()
            if not entry.whole
        }
        for name, length in self.ramps.items():
            steps, period = own.pop(length), own.pop(f"{name}_period", None)
            if period is None:
                now = step
            else:  # at infinity, where a ramp is complete, there is no remainder
                cyclic = (period > 0) & jnp.isfinite(step)
                now = jnp.where(cyclic, jnp.mod(step, jnp.maximum(period, 1.0)), step)
            own[name] *= jnp.where(steps > 0, jnp.minimum(now / jnp.maximum(steps, 1.0), 1.0), 1.0)
        return own

    def choose(self, **sizes: int) -> "Loss":
        """The same loss with other sizes, as in `LOSSES["iwae"].choose(num_samples=50)`.

        Raises:
          InputError: a size that it does not have, or one out of its range.
        """
        known = {name: entry for name, entry in self.hyper.items() if entry.whole}
        chosen = {name: int(check(name, size, known, owner=f"loss {self.name!r}")) for name, size in sizes.items()}
        return replace(self, sizes=MappingProxyType({**self.sizes, **chosen}))


LOSSES: Table[Loss] = Table("loss", "vae_jax.losses")


def register(
    name: str,
    *,
    hyper: Mapping[str, float | Hyperparameter] = MappingProxyType({}),
    batch: bool = False,
    posterior: Posterior = NORMAL,
    likelihood: str = "bernoulli",
    fixed_likelihood: bool = False,
    uses_prior: bool = True,
    conditional: bool = False,
    beta_elbo: bool = False,
    corrupt: Callable[..., Array] | None = None,
    ramps: Mapping[str, str] = MappingProxyType({}),
    critic: Critic | None = None,
) -> Callable:
    """Register the decorated function in `LOSSES` under `name`; the keywords are the attributes of `Loss`.

    A plain number in `hyper` is the default of a hyperparameter that must be at least 0.

    Raises:
      TypeError: a switch such as `batch` is not a bool, or is a hyperparameter given outside `hyper`.
      ValueError: the name is taken.
    """
    switches = (batch, fixed_likelihood, uses_prior, conditional, beta_elbo)
    if not all(isinstance(switch, bool) for switch in switches):
        raise TypeError(f"loss {name!r}: expected True or False; give hyperparameters as hyper={{name: default}}.")
    numbers = declared(hyper)

    def enter(function):
        loss = Loss(
            name=name,
            function=function,
            hyper=numbers,
            sizes=MappingProxyType({key: int(entry.default) for key, entry in numbers.items() if entry.whole}),
            batch=batch,
            posterior=posterior,
            likelihood=likelihood,
            fixed_likelihood=fixed_likelihood,
            uses_prior=uses_prior,
            conditional=conditional,
            beta_elbo=beta_elbo,
            corrupt=corrupt,
            ramps=MappingProxyType(dict(ramps)),
            critic=critic,
        )
        LOSSES.add(name, loss)
        return function

    return enter
