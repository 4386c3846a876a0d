"""Networks of other libraries as parts of a `VAE`: NNX, Equinox and Haiku, in a line each.

    VAE(from_nnx(lambda rngs: MyEncoder(rngs=rngs), latent=10), …)
    VAE(from_equinox(lambda key: MyEncoder(key), latent=10), …)
    VAE(from_haiku(lambda x: hk.nets.MLP([64, 20])(x), latent=10), …)

Each has `init(key, *inputs) -> params` and `apply(params, *inputs) -> output`, pure functions of one example, and its
parameters are a tree of arrays. It is therefore trained, swept over, saved and resumed like any other network. Its
library is imported when it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.errors import InputError


@dataclass(frozen=True)
class Foreign:
    """A network of another library.

    Attributes:
      make: the function that makes the network; two networks are equal if it is the same function.
      latent: for an encoder, how many latents it encodes to; None for a decoder.
    """

    make: Callable[..., Any]
    latent: int | None = None


class FromNNX(Foreign):
    """A module of Flax NNX; `make` takes `nnx.Rngs`."""

    @cached_property
    def _graph(self) -> Any:
        from flax import nnx

        graph, shapes, others = nnx.split(nnx.eval_shape(lambda: self.make(nnx.Rngs(0))), nnx.Param, ...)
        kinds = {type(leaf).__name__ for leaf in jax.tree.leaves(others, is_leaf=lambda x: isinstance(x, nnx.Variable))}
        if kinds:
            raise InputError(f"this network has {', '.join(sorted(kinds))}; from_nnx takes modules of Param alone.")
        return graph, shapes

    def init(self, key: Array, *inputs: Any) -> dict[str, Any]:
        """Its parameters, as nested dictionaries of arrays."""
        from flax import nnx

        del inputs
        _ = self._graph  # refuses modules with anything but parameters
        return _with_text(nnx.to_pure_dict(nnx.state(self.make(nnx.Rngs(params=key)))))

    def apply(self, params: Any, *inputs: Any) -> Any:
        """Its output."""
        from flax import nnx

        graph, shapes = self._graph
        state = jax.tree.map(lambda leaf: leaf, shapes)
        nnx.replace_by_pure_dict(state, nnx.statelib.restore_int_paths(params))
        return nnx.merge(graph, state)(*inputs)


class FromEquinox(Foreign):
    """A module of Equinox; `make` takes a key."""

    @cached_property
    def _static(self) -> Any:
        import equinox as eqx

        with jax.ensure_compile_time_eval():
            return eqx.partition(self.make(jax.random.key(0)), _is_trained)[1]

    def init(self, key: Array, *inputs: Any) -> Any:
        """Its JAX arrays of floats, in the module's own tree; NumPy's arrays and whole numbers are constants."""
        import equinox as eqx

        del inputs
        return eqx.filter(self.make(key), _is_trained)

    def apply(self, params: Any, *inputs: Any) -> Any:
        """Its output."""
        import equinox as eqx

        return eqx.combine(params, self._static)(*inputs)


class FromHaiku(Foreign):
    """A function that calls modules of Haiku; without state, and without random numbers except to initialise."""

    @cached_property
    def _transformed(self) -> Any:
        import haiku

        return haiku.without_apply_rng(haiku.transform(self.make))

    def init(self, key: Array, *inputs: Any) -> Any:
        """Its parameters."""
        return self._transformed.init(key, *inputs)

    def apply(self, params: Any, *inputs: Any) -> Any:
        """Its output."""
        return self._transformed.apply(params, *inputs)


def from_nnx(make: Callable[[Any], Any], *, latent: int | None = None) -> FromNNX:
    """A module of Flax NNX as an encoder or decoder.

    Args:
      make: `nnx.Rngs` -> the module, called as `module(x)`, or `module(x, y)` where the model takes labels. All its
        variables are `Param`: batch statistics and dropout are refused when it is initialised.
      latent: for an encoder, how many latents it encodes to.

    Raises:
      InputError: flax has no NNX.
    """
    _expect("flax.nnx", "flax")
    return FromNNX(make, latent)


def from_equinox(make: Callable[[Array], Any], *, latent: int | None = None) -> FromEquinox:
    """A module of Equinox as an encoder or decoder.

    Args:
      make: a key -> the module, called as `module(x)`, or `module(x, y)` where the model takes labels.
      latent: for an encoder, how many latents it encodes to.

    Raises:
      InputError: Equinox is not installed.
    """
    _expect("equinox", "equinox")
    return FromEquinox(make, latent)


def from_haiku(function: Callable[..., Any], *, latent: int | None = None) -> FromHaiku:
    """A function of Haiku modules as an encoder or decoder.

    Args:
      function: `x -> output`, or `(x, y) -> output` where the model takes labels.
      latent: for an encoder, how many latents it encodes to.

    Raises:
      InputError: Haiku is not installed.
    """
    _expect("haiku", "dm-haiku")
    return FromHaiku(function, latent)


def _expect(module: str, package: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise InputError(f"this network needs its package; pip install {package}.")


def _is_trained(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _with_text(tree: Any) -> Any:
    """The same nested dictionaries with strings as keys, as in checkpoints: NNX has integers for lists of layers."""
    return {str(key): _with_text(value) for key, value in tree.items()} if isinstance(tree, dict) else tree
