"""Distributions of **one example**: pytrees with `sample(key)`, `log_prob(x)` and `mean`.

`log_prob` sums over the whole event (every pixel, every latent) and returns nats. Nothing here knows about
batches: lift with `jax.vmap`. Depends only on jax.

Objects of other libraries have the same methods by other conventions: `draw`, `mean_of`, `variance_of` and `shape_of`
are the one place that knows them.
"""

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

LOG_2PI = 1.8378770664093453
POINTS = ("Delta", "Deterministic", "VectorDeterministic")  # in NumPyro, distrax and TFP
WRAPPED = ("base_dist", "distribution")  # where these keep what they wrap


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
    COUNTS = "the whole numbers from 0 on"


def has_density(distribution: Any) -> bool:
    """Whether a distribution has a density, and so a KL to a prior: a point, ours or another library's, has none."""
    own = getattr(distribution, "has_density", None)
    if own is not None:
        return own
    inside = next((getattr(distribution, name) for name in WRAPPED if hasattr(distribution, name)), None)
    return type(distribution).__name__ not in POINTS and (inside is None or has_density(inside))


def is_reparametrised(distribution: Any) -> bool:
    """Whether a sample carries the gradient to the parameters: one that chooses, such as a mixture's, does not."""
    if hasattr(distribution, "reparametrised"):
        return distribution.reparametrised
    kind = getattr(distribution, "reparameterization_type", None)  # of TFP
    return getattr(distribution, "has_rsample", True) and "NOT_REPARAM" not in repr(kind)


def expect_distribution(what: str, value: Any) -> Any:
    """The value, checked to be a distribution.

    Raises:
      TypeError: it has no `sample` or no `log_prob`.
    """
    if not isinstance(value, Distribution):
        raise TypeError(
            f"{what} must return a distribution, an object with sample and log_prob; got {type(value).__name__}. "
            "Wrap it, as in vae_jax.Normal(mean, log_var) or vae_jax.Bernoulli(logits)."
        )
    return value


def draw(distribution: Distribution, key: Array) -> Array:
    """One sample from our own or another library's distribution: distrax and TFP take the key as `seed=`."""
    if "seed" in inspect.signature(distribution.sample).parameters:
        return distribution.sample(seed=key)
    return distribution.sample(key)


def mean_of(distribution: Any) -> Array:
    """The mean of our own or another library's distribution: of distrax and TFP it is a method."""
    return _value(distribution.mean)


def variance_of(distribution: Any) -> Array:
    """The variance of each dimension, of the mean's shape."""
    return jnp.broadcast_to(_value(distribution.variance), jnp.shape(mean_of(distribution)))


def shape_of(distribution: Any) -> tuple[int, ...]:
    """The shape of a sample: other libraries' batch and event together, since a loss sums over both."""
    parts: list[Any] = [getattr(distribution, name, None) for name in ("batch_shape", "event_shape")]
    if all(part is not None and not callable(part) for part in parts):
        return tuple(int(size) for part in parts for size in part)
    if hasattr(distribution, "mean"):
        return jnp.shape(mean_of(distribution))
    return jax.eval_shape(lambda: draw(distribution, jax.random.key(0))).shape


def _value(attribute: Any) -> Any:
    return attribute() if callable(attribute) else attribute


def over_batch(function: Callable[[Any], Array], distribution: Any, shape: tuple[int, ...]) -> Array:
    """`function` of each distribution of a batch, `[batch, latent]`, however the batch came about.

    An object of another library that went through `jax.vmap` still says that it is one example; one that was built from
    arrays `[batch, latent]` says that it is a batch.

    Args:
      function: such as `mean_of`.
      distribution: a pytree with leaves `[batch, …]`.
      shape: of the result.
    """
    if all(jnp.shape(leaf)[:1] == shape[:1] for leaf in jax.tree.leaves(distribution)):
        result = jax.vmap(function)(distribution)
        if result.shape == shape:
            return result
    return jnp.broadcast_to(function(distribution), shape)


def wide(x: ArrayLike) -> Array:
    """An array in float32 at least: a sum in half precision loses whole nats. float64 stays float64."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def total(x: ArrayLike) -> Array:
    """The sum of all elements, accumulated in float32 at least."""
    return jnp.sum(wide(x))


def finite_exp(x: ArrayLike, *, linear_from: float = 80.0) -> Array:
    """`exp(x)` up to `linear_from` and its tangent line from there on: value and gradient stay finite in float32.

    float32 overflows at 88.7, and a penalty that grows without bound must keep pulling its parameter back, which a
    clipped one would not.
    """
    x = jnp.asarray(x)
    return jnp.exp(jnp.minimum(x, linear_from)) * (1.0 + jnp.maximum(x - linear_from, 0.0))


def event(owner: str, x: ArrayLike, *parameters: ArrayLike, inner: int = 0) -> list[Array]:
    """x and the parameters of its distribution, checked, flat and in float32 at least: ready to be summed.

    XLA's CPU compiler sums over `[height, width, 1]` without vector instructions, ten times slower than over one axis.

    Args:
      owner: the distribution's name, for messages.
      x: a value of the event.
      parameters: each of the event's shape, or a scalar.
      inner: how many last axes of the parameters x does not have (components); these are kept.

    Raises:
      ValueError: x is of an integer type, or not of the event's shape.
    """
    if not isinstance(x, int) and jnp.issubdtype(jnp.result_type(x), jnp.integer):
        raise ValueError(
            f"{owner}.log_prob: x is {jnp.result_type(x)}; expected floats. Divide pixels of 0..255 by 255 first."
        )
    whole = jnp.broadcast_shapes(*map(jnp.shape, parameters))
    shape, last = whole[: len(whole) - inner], whole[len(whole) - inner :]
    if jnp.shape(x) != shape:
        raise ValueError(
            f"{owner}.log_prob: x has shape {jnp.shape(x)}; expected {shape}, one example. Lift it over a batch with "
            "jax.vmap."
        )
    flat = [jnp.ravel(wide(parameter)) if not inner else wide(parameter).reshape(-1, *last) for parameter in parameters]
    return [jnp.ravel(wide(x)), *flat]
