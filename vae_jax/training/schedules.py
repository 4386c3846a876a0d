"""The table of learning rate schedules that `--schedule` chooses from.

A new one is a function of the step and its hyperparameters with `@SCHEDULES.register`, here or in a new file of this
folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.hyperparameter import Declared, Hyperparameter, declared, declared_by
from vae_jax.registry import Registry, summary

HORIZON = "decay_steps"  # hyperparameter of every schedule that ends; a command sets it to the length of its run


@dataclass(frozen=True)
class Schedule:
    """One entry of `SCHEDULES`.

    Attributes:
      name: what `--schedule` takes.
      factor: `(step, **hyper) -> []`, what the learning rate is multiplied by at a step, from 0 to 1. Each parameter
        with a number for its default is a hyperparameter, a leaf of a run's `hyper`.
      ranges: the hyperparameters whose range is not just "at least 0".
    """

    name: str
    factor: Callable[..., Array]
    _: KW_ONLY
    ranges: Mapping[str, Hyperparameter] = field(default_factory=dict, hash=False)

    @cached_property
    def hyper(self) -> Declared:
        """The declarations of its hyperparameters."""
        return declared_by(self.factor, declared(self.ranges))

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.factor)

    @property
    def ends(self) -> bool:
        """Whether it depends on how long the run is."""
        return HORIZON in self.hyper

    def at(self, step: ArrayLike, hyper: Mapping[str, ArrayLike]) -> ArrayLike:
        """The learning rate at a step."""
        if not self.hyper:
            return hyper["learning_rate"]
        return hyper["learning_rate"] * self.factor(step, **{name: hyper[name] for name in self.hyper})


SCHEDULES = Registry("schedule", "vae_jax.training", Schedule)


@SCHEDULES.register("constant")
def constant(step: ArrayLike) -> Array:
    """The learning rate as it is, all along."""
    return jnp.ones_like(step, jnp.float32)


@SCHEDULES.register("warmup")
def warmup(step: ArrayLike, warmup_steps: ArrayLike = 0.0) -> Array:
    """A linear rise over `warmup_steps`, then the learning rate as it is."""
    return _rise(step, warmup_steps)


@SCHEDULES.register("cosine", ranges={"final_rate": Hyperparameter(most=1.0)})
def cosine(
    step: ArrayLike, decay_steps: ArrayLike = 10_000.0, final_rate: ArrayLike = 0.0, warmup_steps: ArrayLike = 0.0
) -> Array:
    """A linear rise over `warmup_steps`, then half a cosine down to `final_rate` of the learning rate.

    final + (1 − final)·½(1 + cos πt), t the share of the steps after the rise. Reference: Loshchilov & Hutter, *SGDR:
    stochastic gradient descent with warm restarts*, 2017, eq. 5.

    Args:
      step: `[]`, counted from 0.
      decay_steps: the step at which `final_rate` is reached.
      final_rate: share of the learning rate at the end, from 0 to 1.
      warmup_steps: length of the rise.
    """
    t = _share(step, decay_steps, warmup_steps)
    return _rise(step, warmup_steps) * (final_rate + (1.0 - final_rate) * 0.5 * (1.0 + jnp.cos(jnp.pi * t)))


@SCHEDULES.register(
    "stages",
    ranges={
        "final_rate": Hyperparameter(most=1.0, exclusive=True),
        "stages": Hyperparameter(least=1.0),
        "stage_growth": Hyperparameter(least=1.0),
    },
)
def stages(
    step: ArrayLike,
    decay_steps: ArrayLike = 10_000.0,
    final_rate: ArrayLike = 0.1,
    stages: ArrayLike = 8.0,
    stage_growth: ArrayLike = 3.0,
    warmup_steps: ArrayLike = 0.0,
) -> Array:
    """`stages` stages, each `stage_growth` times as long as the one before, down to `final_rate` by equal factors.

    By default, eight stages of 3^i parts of the run at 10^(−i/7) of the learning rate. Reference: Burda et al.,
    *Importance weighted autoencoders*, 2016, section 5.

    Args:
      step: `[]`, counted from 0.
      decay_steps: the step at which the last stage ends.
      final_rate: share of the learning rate in the last stage, above 0 and below 1.
      stages: how many stages, at least 1.
      stage_growth: ratio of the lengths of successive stages, at least 1.
      warmup_steps: length of the rise before the first stage.
    """
    t = _share(step, decay_steps, warmup_steps)
    count, growth, last = (jnp.asarray(number, jnp.float32) for number in (stages, stage_growth, final_rate))
    even = growth < 1.0001
    base = jnp.log(jnp.where(even, 2.0, growth))
    # ln(1 + t(growth^count − 1))/ln growth, which is i at the start of stage i; in logarithms, as the power overflows.
    end = jnp.log(jnp.maximum(t, 1e-30)) + count * base + jnp.log1p(-jnp.exp(-count * base))
    grown = jnp.where(t > 0.0, jnp.logaddexp(0.0, end) / base, 0.0)
    stage = jnp.clip(jnp.floor(jnp.where(even, t * count, grown) + 1e-4), 0.0, count - 1.0)
    return _rise(step, warmup_steps) * last ** (stage / jnp.maximum(count - 1.0, 1.0))


def _rise(step: ArrayLike, steps: ArrayLike) -> Array:
    """1/steps at the first step, then 2/steps, up to 1; 1 throughout if `steps` is 0."""
    return jnp.minimum((jnp.asarray(step, jnp.float32) + 1.0) / jnp.maximum(steps, 1.0), 1.0)


def _share(step: ArrayLike, whole: ArrayLike, before: ArrayLike) -> Array:
    """The share of the steps from `before` to `whole` that is done, from 0 to 1."""
    step, whole, before = (jnp.asarray(number, jnp.float32) for number in (step, whole, before))
    return jnp.clip((step - before) / jnp.maximum(whole - before, 1.0), 0.0, 1.0)
