"""The two kinds of loss, of one example and of a batch, and the errors for calling one as the other."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

MARK = "takes_batch"  # the attribute that marks a loss of a batch

ResultT = TypeVar("ResultT")
CallP = ParamSpec("CallP")


def per_example(function: Callable[CallP, ResultT]) -> Callable[CallP, ResultT]:
    """Decorate a loss of one example, `(key, x, encode, decode, **hyper) -> (loss [], Terms)`.

    Raises:
      TypeError: the loss is called with a `Batch`.

    >>> import jax.numpy as jnp
    >>> @per_example
    ... def half_square(key, x, encode, decode):
    ...     return 0.5 * jnp.sum(x * x), None
    >>> float(half_square(None, jnp.array([3.0, 4.0]), None, None)[0])  # (9 + 16)/2
    12.5
    """

    @wraps(function)
    def checked(*args: CallP.args, **options: CallP.kwargs) -> ResultT:
        if args and hasattr(args[0], "terms"):
            name = getattr(function, "__name__", "this")
            raise TypeError(
                f"{name} is a loss of one example, {name}(key, x, encode, decode); got a Batch. Lift it over a batch "
                "with jax.vmap."
            )
        return function(*args, **options)

    return checked


def per_batch(function: Callable[CallP, ResultT]) -> Callable[CallP, ResultT]:
    """Decorate a loss of a batch, `(Batch, **hyper) -> loss []`, and mark it as such for `Loss.batch`.

    Raises:
      TypeError: the loss is called with anything but one `Batch`.

    >>> import jax.numpy as jnp
    >>> from vae_jax.losses import Batch, Terms
    >>> @per_batch
    ... def mean_distortion(batch):
    ...     return batch.terms.distortion.mean()
    >>> terms = Terms(jnp.array([-80.0, -90.0]), jnp.zeros((2, 1)), jnp.zeros((2, 1)), None)
    >>> float(mean_distortion(Batch(terms)))
    85.0
    """

    @wraps(function)
    def checked(*args: CallP.args, **options: CallP.kwargs) -> ResultT:
        if "batch" not in options and (len(args) != 1 or not hasattr(args[0], "terms")):
            name, got = getattr(function, "__name__", "this"), ", ".join(type(value).__name__ for value in args)
            raise TypeError(
                f"{name} is a loss of a batch, {name}(Batch(terms, …)); got ({got}). Lift losses.elbo_terms over the "
                "examples with jax.vmap, and pass losses.Batch(terms)."
            )
        return function(*args, **options)  # pyright: ignore[reportCallIssue]

    setattr(checked, MARK, True)
    return checked
