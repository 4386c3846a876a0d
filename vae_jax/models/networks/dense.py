"""Fully connected encoder and decoder. Without hidden layers they make a linear VAE."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.errors import InputError
from vae_jax.models.networks.network import LECUN, NETWORKS, Initializer, NetworkConfig, Shape, with_label


class DenseEncoder(nn.Module):
    """x of any shape -> hidden layers -> `[numbers]`, what the posterior reads.

    Attributes:
      latent: latent dimensions.
      hidden: widths of the hidden layers, from x inwards.
      activation: nonlinearity of the hidden layers.
      numbers: how many numbers to output, which `VAE` sets; None for one per latent, a code that is a point.
      classes: how many classes of labels it also takes; 0 for none.
      kernel_init: initialiser of every kernel.
    """

    latent: int
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    numbers: int | None = None
    classes: int = 0
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        h = with_label(jnp.ravel(x), y, self.classes)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, kernel_init=self.kernel_init)(h))
        return nn.Dense(self.numbers or self.latent, kernel_init=self.kernel_init, name="posterior")(h)


class DenseDecoder(nn.Module):
    """z `[latent]` -> hidden layers -> `[*shape]`, the numbers that the likelihood reads.

    Attributes:
      shape: the shape of the output.
      hidden: widths of the hidden layers, from the code outwards.
      activation: nonlinearity of the hidden layers.
      classes: how many classes of labels it also takes; 0 for none.
      kernel_init: initialiser of every kernel.
      output_bias: initialiser of the last bias.
      output_kernel: initialiser of the last kernel; None for `kernel_init`.
    """

    shape: Shape
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    classes: int = 0
    kernel_init: Initializer = LECUN
    output_bias: Initializer = nn.initializers.zeros
    output_kernel: Initializer | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        h = with_label(z, y, self.classes)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, kernel_init=self.kernel_init)(h))
        numbers, kernel_init = math.prod(self.shape), self.output_kernel or self.kernel_init
        h = nn.Dense(numbers, kernel_init=kernel_init, bias_init=self.output_bias, name="likelihood")(h)
        return h.reshape(self.shape)


@NETWORKS.register("dense", hidden=(400,))
def dense(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """Fully connected, ReLU; `--hidden 500 500` from the image inwards, mirrored in the decoder."""
    encoder = DenseEncoder(
        config.latent, config.hidden, numbers=config.numbers, classes=config.classes, kernel_init=config.kernel_init
    )
    decoder = DenseDecoder(
        config.decoded,
        config.hidden[::-1],
        classes=config.classes,
        kernel_init=config.kernel_init,
        output_bias=config.output_bias,
        output_kernel=config.output_kernel,
    )
    return encoder, decoder


@NETWORKS.register("linear", hidden=())
def linear(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """No hidden layer and no nonlinearity: with a Gaussian likelihood, probabilistic PCA.

    Raises:
      InputError: hidden layers are asked for.
    """
    if config.hidden:
        raise InputError(f"`hidden={' '.join(map(str, config.hidden))}`: the linear model has no hidden layers.")
    return dense(config)
