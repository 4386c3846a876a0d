"""The table of encoder-decoder pairs that `--model` chooses from."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.registry import Registry, summary

Shape = tuple[int, ...]
Initializer = Callable[..., Any]


# Kernels are drawn with variance 1/fan_in (Linen's default) or, as in PyTorch, uniformly within ±1/√fan_in, which has
# a third of that variance. Biases start at zero.
INITIALIZERS: Registry[Initializer, []] = Registry("initializer", "vae_jax.models.networks")
INITIALIZERS.add("lecun", nn.initializers.lecun_normal())
INITIALIZERS.add("uniform", nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"))
LECUN = INITIALIZERS["lecun"]


class NetworkConfig(NamedTuple):
    """What a pair of networks is built for.

    Attributes:
      shape: the shape of one example, `[height, width, channels]` or `[features]`.
      latent: latent dimensions.
      hidden: widths of the hidden layers from the image inwards.
      output: the shape of the decoder's output, as the likelihood reads it; None for `shape`.
      numbers: how many numbers the encoder gives to the posterior; None for one per latent.
      classes: how many classes of labels the networks also take; 0 for none.
      kernel_init: initialiser of every kernel.
      output_bias: initialiser of the decoder's last bias.
      output_kernel: initialiser of its last kernel; None for `kernel_init`.
      bounds: the smallest and the largest number that an example may hold.
    """

    shape: Shape
    latent: int
    hidden: tuple[int, ...]
    output: Shape | None = None
    numbers: int | None = None
    classes: int = 0
    kernel_init: Initializer = LECUN
    output_bias: Initializer = nn.initializers.zeros
    output_kernel: Initializer | None = None
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def decoded(self) -> Shape:
        """The shape of the decoder's output."""
        return self.shape if self.output is None else self.output


@dataclass(frozen=True)
class Network:
    """One entry of `NETWORKS`.

    Attributes:
      name: what `--model` takes.
      build: `NetworkConfig -> (encoder, decoder)`, Flax modules or others with `init` and `apply`; raises InputError
        for what it cannot take.
      hidden: the default widths of the hidden layers.
      per_channel: whether the decoder's last bias has one value per channel, rather than one per pixel.
    """

    name: str
    build: Callable[[NetworkConfig], tuple[Any, Any]]
    _: KW_ONLY
    hidden: tuple[int, ...]
    per_channel: bool = False

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.build)


NETWORKS = Registry("model", "vae_jax.models.networks", Network)


def with_label(h: Array, y: Array | None, classes: int) -> Array:
    """Features with the one-hot label appended, `[f + classes]`, if the network is conditional; else unchanged.

    Args:
      h: features, `[f]`.
      y: a label, `[]`, an integer below `classes`; None for an unconditional network.
      classes: how many labels there are; 0 for an unconditional network.

    Raises:
      ValueError: a label for an unconditional network, or none for a conditional one.
    """
    if (y is None) != (classes == 0):
        needs, got = ("no label" if classes == 0 else f"a label of {classes} classes"), "none" if y is None else "one"
        raise ValueError(f"this network takes {needs}; got {got}. Set `classes` when it is built.")
    return h if y is None else jnp.concatenate([h, jax.nn.one_hot(y, classes, dtype=h.dtype)])
