"""Distributions of **one example**: pytrees with `sample(key)`, `log_prob(x)` and `mean`.

`log_prob` sums over the whole event (every pixel, every latent) and returns nats. Nothing here knows about
batches: lift with `jax.vmap`. Depends only on jax.
"""

import inspect
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

LOG_2PI = 1.8378770664093453


@runtime_checkable
class Distribution(Protocol):
    """What the losses need of a distribution. NumPyro, distrax and TFP objects fit as they are."""

    def log_prob(self, x: Any, /) -> Any: ...

    @property
    def sample(self) -> Any: ...


class Support(Enum):
    """The values of x that a distribution gives probability to."""

    BINARY = "0 and 1"
    UNIT_INTERVAL = "the numbers from 0 to 1"
    GREY_LEVELS = "the 256 grey levels k/255"
    REAL = "all numbers"


def has_density(distribution: Any) -> bool:
    """Whether a distribution has a density, and so a KL to a prior: a point, `Delta`, has none."""
    return getattr(distribution, "has_density", True)


def finite_exp(x: ArrayLike, *, linear_from: float = 80.0) -> Array:
    """`exp(x)` up to `linear_from` and its tangent line from there on: value and gradient stay finite in float32.

    float32 overflows at 88.7, and a penalty that grows without bound must keep pulling its parameter back, which a
    clipped one would not.
    """
    x = jnp.asarray(x)
    top = jnp.minimum(x, linear_from)
    return jnp.exp(top) * (1.0 + (x - top))


def flat(*arrays: ArrayLike) -> tuple[Array, ...]:
    """The arrays flattened, before a sum over the whole event.

    XLA's CPU compiler sums over `[height, width, 1]` without vector instructions, ten times slower than over one axis.
    """
    return tuple(jnp.ravel(jnp.asarray(array)) for array in arrays)


def draw(distribution: Distribution, key: Array) -> Array:
    """One sample from our own or another library's distribution: distrax and TFP take the key as `seed=`."""
    if "seed" in inspect.signature(distribution.sample).parameters:
        return distribution.sample(seed=key)
    return distribution.sample(key)
