"""The table of optimisers that `--optimizer` chooses from.

A new one is a function of its hyperparameters with `@OPTIMIZERS.register`, here or in a new file of this folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

import optax
from jax import Array
from jax.typing import ArrayLike

from vae_jax.hyperparameter import Declared, Hyperparameter, declared, declared_by
from vae_jax.registry import Registry, summary

LEARNING_RATE = Hyperparameter(default=1e-3, exclusive=True)


@dataclass(frozen=True)
class Optimizer:
    """One entry of `OPTIMIZERS`.

    Attributes:
      name: what `--optimizer` takes.
      build: its hyperparameters as keywords, `learning_rate` first -> optax transformation. Each parameter with a
        number for its default is a hyperparameter, a leaf of a run's `hyper`.
      ranges: the hyperparameters whose range is not just "at least 0".
    """

    name: str
    build: Callable[..., optax.GradientTransformation]
    _: KW_ONLY
    ranges: Mapping[str, Hyperparameter] = field(default_factory=dict, hash=False)

    @cached_property
    def hyper(self) -> Declared:
        """The declarations of its hyperparameters."""
        own = declared_by(self.build, declared(self.ranges))
        return {"learning_rate": LEARNING_RATE, **own}

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.build)

    def at(self, hyper: Mapping[str, ArrayLike]) -> optax.GradientTransformation:
        """The transformation for the values in `hyper`."""
        return self.build(**{name: hyper[name] for name in self.hyper})


OPTIMIZERS = Registry("optimizer", "vae_jax.training", Optimizer)


@OPTIMIZERS.register("adam")
def adam(learning_rate: float | Array) -> optax.GradientTransformation:
    """Adam, with optax's constants.

    Reference: Kingma & Ba, *Adam: a method for stochastic optimization*, 2015.
    """
    return optax.adam(learning_rate)


@OPTIMIZERS.register("adamw")
def adamw(learning_rate: float | Array, weight_decay: float | Array = 1e-4) -> optax.GradientTransformation:
    """Adam with decoupled weight decay.

    Reference: Loshchilov & Hutter, *Decoupled weight decay regularization*, 2019.
    """
    return optax.adamw(learning_rate, weight_decay=weight_decay)


@OPTIMIZERS.register("lion")
def lion(learning_rate: float | Array, weight_decay: float | Array = 0.0) -> optax.GradientTransformation:
    """Lion: the sign of the momentum; wants a tenth of Adam's learning rate.

    Reference: Chen et al., *Symbolic discovery of optimization algorithms*, 2023.
    """
    return optax.lion(learning_rate, weight_decay=weight_decay)


@OPTIMIZERS.register("sgd", ranges={"momentum": Hyperparameter(most=1.0)})
def sgd(learning_rate: float | Array, momentum: float | Array = 0.9) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum; wants a small learning rate, since losses are sums over pixels."""
    return optax.chain(optax.trace(decay=momentum), optax.scale_by_learning_rate(learning_rate))


@OPTIMIZERS.register("rmsprop")
def centred_rmsprop(learning_rate: float | Array) -> optax.GradientTransformation:
    """Centred RMSprop: the gradient over its standard deviation, with PyTorch's constants (decay 0.99, ε = 1e-8).

    ε is added outside the root. Reference: Graves, *Generating sequences with recurrent neural networks*, 2013, eqs.
    38–45, without momentum.
    """
    return optax.rmsprop(learning_rate, decay=0.99, eps=1e-8, eps_in_sqrt=False, centered=True)
