"""Burgess's convolutional encoder and decoder, for images of any size and number of channels.

Burgess et al., *Understanding disentangling in β-VAE*, 2018, appendix A: four 4×4 convolutions of 32 channels and
stride 2 take 64×64 to 4×4, then two dense layers of 256; the decoder is the mirror image. Other images are halved while
the longer side keeps at least 4 pixels: 32×32 three times, 28×28 twice (to 7×7), 8×8 once. A side that cannot be halved
that often is padded with zeros to the next size that can (105 to 112), and cropped after decoding.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.errors import InputError
from vae_jax.models.networks.network import LECUN, NETWORKS, Initializer, NetworkConfig, Shape, with_label
from vae_jax.models.networks.strided import Strided, relu

CHANNELS = 32


class Plan(NamedTuple):
    """How an image goes through the convolutions.

    Attributes:
      halvings: how many there are.
      grid: `(height, width)` after the last.
      margins: zeros to add before and after each axis of the image.
    """

    halvings: int
    grid: tuple[int, int]
    margins: list[tuple[int, int]]


def plan_of(shape: Shape) -> Plan:
    """The plan for images of shape `(height, width, channels)`."""
    halvings = max(max(shape[:2]).bit_length() - 3, 1)
    height, width = (-(-size >> halvings) for size in shape[:2])
    padding = [(cells << halvings) - size for cells, size in zip((height, width), shape[:2], strict=True)]
    margins = [(pixels // 2, (pixels + 1) // 2) for pixels in padding]
    return Plan(halvings, (height, width), [*margins, (0, 0)])


class ConvEncoder(nn.Module):
    """x `[height, width, channels]` -> `[numbers]`, what the posterior reads.

    Attributes:
      latent: latent dimensions.
      hidden: widths of the dense layers, from the image inwards.
      numbers: how many numbers to output, which `VAE` sets; None for one per latent.
      classes: how many classes of labels it also takes; 0 for none.
      kernel_init: initialiser of every kernel.
    """

    latent: int
    hidden: tuple[int, ...] = (256, 256)
    numbers: int | None = None
    classes: int = 0
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        halvings, _, margins = plan_of(x.shape)
        h = jnp.pad(x, margins).transpose(2, 0, 1)
        for _ in range(halvings):
            h = relu(Strided(CHANNELS, kernel_init=self.kernel_init)(h))
        h = with_label(jnp.ravel(h.transpose(1, 2, 0)), y, self.classes)
        for width in self.hidden:
            h = nn.relu(nn.Dense(width, kernel_init=self.kernel_init)(h))
        return nn.Dense(self.numbers or self.latent, kernel_init=self.kernel_init, name="posterior")(h)


class ConvDecoder(nn.Module):
    """z `[latent]` -> `[*shape]`, the numbers that the likelihood reads.

    Attributes:
      shape: `(height, width, numbers per pixel)`.
      hidden: widths of the dense layers, from the code outwards.
      classes: how many classes of labels it also takes; 0 for none.
      kernel_init: initialiser of every kernel.
      output_bias: initialiser of the last bias.
      output_kernel: initialiser of the last kernel; None for `kernel_init`.
    """

    shape: Shape
    hidden: tuple[int, ...] = (256, 256)
    classes: int = 0
    kernel_init: Initializer = LECUN
    output_bias: Initializer = nn.initializers.zeros
    output_kernel: Initializer | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        height, width, channels = self.shape
        halvings, grid, ((top, _), (left, _), _) = plan_of(self.shape)
        h = with_label(z, y, self.classes)
        for features in (*self.hidden, math.prod(grid) * CHANNELS):
            h = nn.relu(nn.Dense(features, kernel_init=self.kernel_init)(h))
        h = h.reshape(*grid, CHANNELS).transpose(2, 0, 1)
        for _ in range(halvings - 1):
            h = relu(Strided(CHANNELS, upwards=True, kernel_init=self.kernel_init)(h))
        kernel_init = self.output_kernel or self.kernel_init
        last = Strided(channels, upwards=True, name="likelihood", kernel_init=kernel_init, bias_init=self.output_bias)
        h = last(h)
        return h[:, top : top + height, left : left + width].transpose(1, 2, 0)


@NETWORKS.register("conv", hidden=(256, 256), per_channel=True)
def conv(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """Burgess 2018: 4×4 convolutions of stride 2 and 32 channels down to 4×4, then dense layers of `--hidden`.

    Raises:
      InputError: the examples are not images.
    """
    if len(config.shape) != 3:
        raise InputError(
            f"the conv networks need images [height, width, channels]; got {config.shape}. Use `model=dense`."
        )
    encoder = ConvEncoder(
        config.latent, config.hidden, numbers=config.numbers, classes=config.classes, kernel_init=config.kernel_init
    )
    decoder = ConvDecoder(
        config.decoded,
        config.hidden[::-1],
        classes=config.classes,
        kernel_init=config.kernel_init,
        output_bias=config.output_bias,
        output_kernel=config.output_kernel,
    )
    return encoder, decoder
