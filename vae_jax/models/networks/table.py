"""The table of encoder-decoder pairs that `--model` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.posteriors import NORMAL, Posterior
from vae_jax.table import Table, summary

Shape = tuple[int, ...]
Initializer = Callable[..., Any]

# Kernels are drawn with variance 1/fan_in (Linen's default) or, as PyTorch does, uniformly within ±1/√fan_in: a third
# of that variance. Biases start at zero.
INITIALIZERS: Table[Initializer] = Table("initializer", "vae_jax.models.networks")
INITIALIZERS.add("lecun", nn.initializers.lecun_normal())
INITIALIZERS.add("uniform", nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"))
LECUN = INITIALIZERS["lecun"]


class NetworkConfig(NamedTuple):
    """What a pair of networks is built for.

    Attributes:
      shape: the shape of one example, `[height, width, channels]` or `[features]`.
      latent: latent dimensions.
      hidden: widths of the hidden layers from the image inwards.
      outputs: how many numbers the likelihood asks for per pixel and channel.
      posterior: the family of q(z|x).
      classes: how many classes of labels the networks also take; 0 for none.
      kernel_init: initialiser of every layer.
      output_bias: initialiser of the decoder's last bias.
      output_kernel: that of its last kernel; None for `kernel_init`.
      bounds: the smallest and the largest number that an example may hold.
    """

    shape: Shape
    latent: int
    hidden: tuple[int, ...]
    outputs: int = 1
    posterior: Posterior = NORMAL
    classes: int = 0
    kernel_init: Initializer = LECUN
    output_bias: Initializer = nn.initializers.zeros
    output_kernel: Initializer | None = None
    bounds: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Network:
    """One entry of `NETWORKS`.

    Attributes:
      name: what `--model` takes.
      build: `NetworkConfig -> (encoder, decoder)`; raises InputError for what it cannot take.
      hidden: the default widths of the hidden layers.
      per_channel: whether the decoder's last bias is one for each channel, not for each pixel.
    """

    name: str
    build: Callable[[NetworkConfig], tuple[nn.Module, nn.Module]]
    hidden: tuple[int, ...]
    per_channel: bool = False

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.build)


NETWORKS: Table[Network] = Table("model", "vae_jax.models.networks")


def with_label(h: Array, y: Array | None, classes: int) -> Array:
    """Features `[f]` with the one-hot label appended, `[f + classes]`, where a network is conditional.

    Raises:
      ValueError: a label for an unconditional network, or none for a conditional one.
    """
    if (y is None) != (classes == 0):
        needs, got = ("no label" if classes == 0 else f"a label of {classes} classes"), "none" if y is None else "one"
        raise ValueError(f"this network takes {needs}; got {got}. Set `classes` when it is built.")
    return h if y is None else jnp.concatenate([h, jax.nn.one_hot(y, classes, dtype=h.dtype)])


def register(name: str, *, hidden: tuple[int, ...], per_channel: bool = False) -> Callable:
    """Register the decorated builder in `NETWORKS` under `name`; the keywords are the attributes of `Network`."""

    def enter(build):
        NETWORKS.add(name, Network(name, build, hidden, per_channel))
        return build

    return enter
