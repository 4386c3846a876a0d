"""Distributions of **one example**: pytrees with `sample(key)`, `log_prob(x)` and `mean`.

`log_prob` sums over the whole event (every pixel, every latent) and returns nats. Nothing here knows about
batches: lift with `jax.vmap`. Depends only on jax.

Objects of other libraries have the same methods with different conventions. Only `draw`, `mean_of`, `variance_of` and
`shape_of` know about these.
"""

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

FunctionT = TypeVar("FunctionT")

LOG_2PI = 1.8378770664093453
POINTS = ("Delta", "Deterministic", "VectorDeterministic")  # in NumPyro, distrax and TFP
WRAPPED = ("base_dist", "distribution")  # their attributes that hold a wrapped distribution


@runtime_checkable
class Distribution(Protocol):
    """What the losses need from a distribution. NumPyro, distrax and TFP objects satisfy it unchanged."""

    def log_prob(self, x: Any, /) -> Any: ...

    @property
    def sample(self) -> Any: ...


class Support(Enum):
    """The values of x that a distribution is defined on."""

    BINARY = "0 and 1"
    UNIT_INTERVAL = "the numbers from 0 to 1"
    GREY_LEVELS = "the 256 grey levels k/255"
    REAL = "all numbers"
    COUNTS = "the whole numbers from 0 on"


def defined_on(support: Support) -> Callable[[FunctionT], FunctionT]:
    """Decorate a function of x with the values that it is defined on, as distributions and likelihoods have `support`.

    >>> @defined_on(Support.UNIT_INTERVAL)
    ... def inverted(x):
    ...     return 1 - x
    >>> inverted.support.name
    'UNIT_INTERVAL'
    """

    def mark(function: FunctionT) -> FunctionT:
        vars(function)["support"] = support
        return function

    return mark


def has_density(distribution: Any) -> bool:
    """Whether a distribution has a density, and hence a KL to a prior. Points, ours or another library's, have none."""
    own = getattr(distribution, "has_density", None)
    if own is not None:
        return own
    inside = next((getattr(distribution, name) for name in WRAPPED if hasattr(distribution, name)), None)
    return type(distribution).__name__ not in POINTS and (inside is None or has_density(inside))


def is_reparametrised(distribution: Any) -> bool:
    """Whether samples are differentiable in the parameters. Those of a mixture are not: it picks a component."""
    if hasattr(distribution, "reparametrised"):
        return distribution.reparametrised
    kind = getattr(distribution, "reparameterization_type", None)  # TFP's
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


def draw_weighed(distribution: Any, key: Array) -> tuple[Array, Array | None]:
    """A sample, and its log-density if sampling computes it anyway, as in a flow; else None.

    Such a distribution has a method `sample_and_log_prob`, the name that distrax uses.
    """
    both = getattr(distribution, "sample_and_log_prob", None)
    if both is None:
        return draw(distribution, key), None
    return both(seed=key) if "seed" in inspect.signature(both).parameters else both(key)


def mean_of(distribution: Any) -> Array:
    """The mean of our own or another library's distribution; in distrax and TFP it is a method."""
    return _value(distribution.mean)


def variance_of(distribution: Any) -> Array:
    """The variance of each dimension, in the shape of the mean."""
    return jnp.broadcast_to(_value(distribution.variance), jnp.shape(mean_of(distribution)))


def shape_of(distribution: Any) -> tuple[int, ...]:
    """The shape of a sample. In other libraries this is batch and event shape together: a loss sums over both."""
    parts: list[Any] = [getattr(distribution, name, None) for name in ("batch_shape", "event_shape")]
    if all(part is not None and not callable(part) for part in parts):
        return tuple(int(size) for part in parts for size in part)
    if hasattr(distribution, "mean"):
        return jnp.shape(mean_of(distribution))
    return jax.eval_shape(lambda: draw(distribution, jax.random.key(0))).shape


def _value(attribute: Any) -> Any:
    return attribute() if callable(attribute) else attribute


def over_batch(function: Callable[[Any], Array], distribution: Any, shape: tuple[int, ...]) -> Array:
    """Apply `function` to each distribution of a batch, however the batch was built.

    An object of another library that came out of `jax.vmap` still has the shape of one example; one built from arrays
    `[batch, latent]` has the shape of the batch.

    Args:
      function: maps the distribution of one example to an array, such as `mean_of`.
      distribution: a pytree with leaves `[batch, …]`.
      shape: the shape of the result, such as `[batch, latent]`.

    Returns:
      The results, of shape `shape`.
    """
    if all(jnp.shape(leaf)[:1] == shape[:1] for leaf in jax.tree.leaves(distribution)):
        result = jax.vmap(function)(distribution)
        if result.shape == shape:
            return result
    return jnp.broadcast_to(function(distribution), shape)


def upcast(x: ArrayLike) -> Array:
    """An array in at least float32, since sums in half precision lose whole nats. float64 stays float64."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def total(x: ArrayLike) -> Array:
    """The sum of all elements, accumulated in at least float32."""
    return jnp.sum(upcast(x))


def finite_exp(x: ArrayLike, *, linear_from: float = 80.0) -> Array:
    """`exp(x)` up to `linear_from` and its tangent line beyond, so that value and gradient stay finite in float32.

    float32 overflows at 88.7. A penalty that grows without bound must keep pulling its parameter back; if it were
    clipped, its gradient would be 0.
    """
    x = jnp.asarray(x)
    return jnp.exp(jnp.minimum(x, linear_from)) * (1.0 + jnp.maximum(x - linear_from, 0.0))


def event(owner: str, x: ArrayLike, *parameters: ArrayLike, inner: int = 0) -> list[Array]:
    """x and the parameters of its distribution: checked, flattened and in at least float32, ready to be summed.

    XLA's CPU compiler sums over `[height, width, 1]` without vector instructions, ten times slower than over one axis.

    Args:
      owner: the distribution's name, for error messages.
      x: the value, `[*shape]`, the shape of the event.
      parameters: each `[*shape]`, or a scalar.
      inner: how many trailing axes the parameters have that x does not (mixture components); these are kept.

    Returns:
      x and the parameters, each flattened to `[size]`, or `[size, *inner]` for the parameters.

    Raises:
      ValueError: x has an integer dtype, or another shape than the event.
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
    flat = [
        jnp.ravel(upcast(parameter)) if not inner else upcast(parameter).reshape(-1, *last) for parameter in parameters
    ]
    return [jnp.ravel(upcast(x)), *flat]
