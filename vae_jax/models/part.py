"""What the parts of a model have in common, and which of their variables are trained by gradients."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import flax.linen as nn
import jax
from jax import Array

from vae_jax.hyperparameter import Declared, declared

TRAINED = "params"  # the collection of a Flax module that gradients train
Params = dict[str, Any]


@runtime_checkable
class Network(Protocol):
    """An encoder or decoder: a Flax module, or anything else with `init` and `apply` (see `models.foreign`)."""

    @property
    def init(self) -> Callable[..., Any]:
        """`(key, *inputs) -> params`."""
        ...

    @property
    def apply(self) -> Callable[..., Any]:
        """`(params, *inputs) -> output`."""
        ...


class Part(nn.Module):
    """A posterior, a likelihood or a prior: a small Flax module in a registry of its kind.

    Besides `params`, which gradients train, it may have other collections, such as a codebook that follows a moving
    average. They are saved, resumed, swept and exported like parameters; the optimiser neither sees nor moves them.
    Only `learn` changes them, once for each update of the parameters; under `--accumulate`, from the batch of the last
    step. Weight averaging keeps their latest values and does not average them: they fit the weights of that step.

    Attributes:
      declared: its hyperparameters. Whole numbers are sizes: attributes of the module with the same name. The others
        are leaves of a run's `hyper`, which `learn` receives.
    """

    declared: ClassVar[Declared] = declared({})

    @classmethod
    def sizes(cls, numbers: Mapping[str, float]) -> dict[str, Any]:
        """Its sizes among `numbers`, as keywords of the class; those not given keep their defaults."""
        return {name: int(numbers[name]) for name, entry in cls.declared.items() if entry.integer and name in numbers}

    @nn.nowrap
    def learn(self, variables: Params, terms: Any, key: Array, hyper: Mapping[str, Array]) -> Params:
        """Its variables after a step, including what is learned without a gradient, if it has more than `params`.

        Args:
          variables: all its collections.
          terms: the `Terms` of the step's batch, leaves `[batch, …]`, without gradients.
          key: a typed key, for this call alone.
          hyper: the leaves of the run.
        """
        del terms, key, hyper
        return variables

    @nn.nowrap
    def report(self, terms: Any) -> dict[str, Array]:
        """What the rows of training report of a batch, name -> `[]`; no other part may use the same names."""
        del terms
        return {}

    @nn.nowrap
    def learns(self) -> bool:
        """Whether it overrides `learn`."""
        return type(self).learn is not Part.learn


def split_trained(parts: Mapping[str, Any], params: Params) -> tuple[Params, Params]:
    """The parameters of a model that gradients train, and those that they do not: other collections of Flax modules.

    Args:
      parts: name -> part of the model.
      params: name -> its parameters; those that belong to no part, such as a critic's, are trained.

    Returns:
      Two trees, which `joined` puts together to `params`; the second is empty if everything is trained.
    """
    trained, held = {}, {}
    for name, variables in params.items():
        if not isinstance(parts.get(name), nn.Module):
            trained[name] = variables
            continue
        trained[name] = {kind: tree for kind, tree in variables.items() if kind == TRAINED}
        if others := {kind: tree for kind, tree in variables.items() if kind != TRAINED and jax.tree.leaves(tree)}:
            held[name] = others
    return (trained, held) if held else (params, {})


def joined(trained: Params, held: Params) -> Params:
    """The inverse of `split_trained`."""
    return {name: {**part, **held[name]} if name in held else part for name, part in trained.items()}
