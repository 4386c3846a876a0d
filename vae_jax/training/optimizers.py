"""The table of optimisers that `--optimizer` chooses from.

A new one is a function of its hyperparameters with `@register`, here or in a new file of this folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import optax
from jax import Array
from jax.typing import ArrayLike

from vae_jax.hyperparameter import Declared, Hyperparameter, declared
from vae_jax.table import Table, summary

LEARNING_RATE = Hyperparameter(default=1e-3, exclusive=True)


@dataclass(frozen=True)
class Optimizer:
    """One entry of `OPTIMIZERS`.

    Attributes:
      name: what `--optimizer` takes.
      build: its hyperparameters as keywords -> optax transformation.
      hyper: their declarations; each is a leaf of a run's `hyper`.
    """

    name: str
    build: Callable[..., optax.GradientTransformation]
    hyper: Declared = field(default_factory=lambda: declared({"learning_rate": LEARNING_RATE}), hash=False)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.build)

    def at(self, hyper: Mapping[str, ArrayLike]) -> optax.GradientTransformation:
        """The transformation for the values in `hyper`."""
        return self.build(**{name: hyper[name] for name in self.hyper})


OPTIMIZERS: Table[Optimizer] = Table("optimizer", "vae_jax.training")


def register(name: str, **hyper: float | Hyperparameter) -> Callable:
    """Register the decorated function in `OPTIMIZERS`; keywords declare what it takes besides `learning_rate`."""

    def enter(build: Callable[..., optax.GradientTransformation]) -> Callable[..., optax.GradientTransformation]:
        declarations = declared({"learning_rate": LEARNING_RATE, **hyper})
        OPTIMIZERS.add(name, Optimizer(name, build, MappingProxyType(dict(declarations))))
        return build

    return enter


@register("adam")
def adam(learning_rate: float | Array) -> optax.GradientTransformation:
    """Adam, with optax's constants.

    Reference: Kingma & Ba, *Adam: a method for stochastic optimization*, 2015.
    """
    return optax.adam(learning_rate)


@register("adamw", weight_decay=1e-4)
def adamw(learning_rate: float | Array, weight_decay: float | Array) -> optax.GradientTransformation:
    """Adam with decoupled weight decay.

    Reference: Loshchilov & Hutter, *Decoupled weight decay regularization*, 2019.
    """
    return optax.adamw(learning_rate, weight_decay=weight_decay)


@register("lion", weight_decay=0.0)
def lion(learning_rate: float | Array, weight_decay: float | Array) -> optax.GradientTransformation:
    """Lion: the sign of the momentum; wants a tenth of Adam's learning rate.

    Reference: Chen et al., *Symbolic discovery of optimization algorithms*, 2023.
    """
    return optax.lion(learning_rate, weight_decay=weight_decay)


@register("sgd", momentum=Hyperparameter(default=0.9, most=1.0))
def sgd(learning_rate: float | Array, momentum: float | Array) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum; wants a small learning rate, since losses are sums over pixels."""
    return optax.chain(optax.trace(decay=momentum), optax.scale_by_learning_rate(learning_rate))


@register("rmsprop")
def centred_rmsprop(learning_rate: float | Array) -> optax.GradientTransformation:
    """Centred RMSprop: the gradient over its standard deviation, with PyTorch's constants (decay 0.99, ε = 1e-8).

    ε is added outside the root. Reference: Graves, *Generating sequences with recurrent neural networks*, 2013, eqs.
    38–45, without momentum.
    """
    return optax.rmsprop(learning_rate, decay=0.99, eps=1e-8, eps_in_sqrt=False, centered=True)
