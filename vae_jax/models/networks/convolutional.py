"""Burgess's convolutional encoder and decoder, for roughly square images of any size from 8 pixels up.

Burgess et al., *Understanding disentangling in β-VAE*, 2018, appendix A: four 4×4 convolutions of 32 channels and
stride 2 take 64×64 to 4×4, then two dense layers of 256; the decoder is the mirror image. 32×32 needs one convolution
fewer, 8×8 just one. Other sizes are padded with zeros to the next power of two (28 to 32) and cropped after decoding.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.posteriors import NORMAL, Posterior
from vae_jax.errors import InputError
from vae_jax.models.networks.strided import Strided
from vae_jax.models.networks.table import LECUN, Initializer, NetworkConfig, Shape, register, with_label

CHANNELS = 32
_SMALLEST = 4  # the side at which convolutions end


def _halvings(shape: Shape) -> int:
    """How many convolutions take the padded side to 4."""
    return max((max(shape[:2]) - 1).bit_length() - 2, 1)


def _margins(shape: Shape) -> list[tuple[int, int]]:
    """Zeros to add before and after each axis of an image for the padded square."""
    side = _SMALLEST << _halvings(shape)
    return [((side - size) // 2, (side - size + 1) // 2) for size in shape[:2]] + [(0, 0)]


class ConvEncoder(nn.Module):
    """x `[height, width, channels]` -> q(z|x[, y]) over `[latent]`; by default N(mean, diag(exp(log_var)))."""

    latent: int
    hidden: tuple[int, ...] = (256, 256)
    posterior: Posterior = NORMAL
    classes: int = 0
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Any:
        h = jnp.pad(x, _margins(x.shape))
        for _ in range(_halvings(x.shape)):
            h = nn.relu(Strided(CHANNELS, kernel_init=self.kernel_init)(h))
        h = with_label(jnp.ravel(h), y, self.classes)
        for width in self.hidden:
            h = nn.relu(nn.Dense(width, kernel_init=self.kernel_init)(h))
        numbers = self.posterior.outputs * self.latent
        return self.posterior.build(nn.Dense(numbers, kernel_init=self.kernel_init, name="posterior")(h))


class ConvDecoder(nn.Module):
    """z `[latent]` -> `[height, width, channels·outputs]`, the parameters of the likelihood."""

    shape: Shape
    hidden: tuple[int, ...] = (256, 256)
    outputs: int = 1
    classes: int = 0
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        h = with_label(z, y, self.classes)
        for width in (*self.hidden, _SMALLEST * _SMALLEST * CHANNELS):
            h = nn.relu(nn.Dense(width, kernel_init=self.kernel_init)(h))
        h = h.reshape(_SMALLEST, _SMALLEST, CHANNELS)
        for _ in range(_halvings(self.shape) - 1):
            h = nn.relu(Strided(CHANNELS, upwards=True, kernel_init=self.kernel_init)(h))
        features = self.shape[-1] * self.outputs
        h = Strided(features, upwards=True, kernel_init=self.kernel_init, name="likelihood")(h)
        (top, _), (left, _), _ = _margins(self.shape)
        height, width, _ = self.shape
        return h[top : top + height, left : left + width]


@register("conv", hidden=(256, 256))
def conv(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """Burgess 2018: 4×4 convolutions of stride 2 and 32 channels down to 4×4, then dense layers of `--hidden`."""
    if len(config.shape) != 3:
        raise InputError(
            f"--model conv: needs images [height, width, channels]; got {config.shape}. Use --model dense."
        )
    shared: Any = {"classes": config.classes, "kernel_init": config.kernel_init}
    return (
        ConvEncoder(config.latent, config.hidden, posterior=config.posterior, **shared),
        ConvDecoder(config.shape, config.hidden[::-1], outputs=config.outputs, **shared),
    )
