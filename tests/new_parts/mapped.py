"""Networks whose code is a map: a few numbers for each patch of the image."""

import flax.linen as nn
import jax.numpy as jnp

from vae_jax.errors import InputError
from vae_jax.models import Latents
from vae_jax.models.networks.network import NETWORKS

SIDE = 2  # of a patch


class PatchEncoder(nn.Module):
    latents: Latents
    numbers: int | None = None

    @nn.compact
    def __call__(self, x, y=None):
        (height, width, channels), each = (
            self.latents.shapes[0],
            (self.numbers or self.latents.size) // self.latents.size,
        )
        patches = x.reshape(height, SIDE, width, SIDE, -1).swapaxes(1, 2).reshape(height, width, -1)
        h = nn.Dense(each * channels, name="posterior")(nn.tanh(nn.Dense(8)(patches)))
        return jnp.moveaxis(h.reshape(height, width, each, channels), 2, 0).ravel()


class PatchDecoder(nn.Module):
    latents: Latents
    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, z, y=None):
        (z,) = self.latents.split(z)
        height, width, _ = z.shape
        h = nn.Dense(SIDE * SIDE * self.shape[-1], name="likelihood")(nn.tanh(nn.Dense(8)(z)))
        return h.reshape(height, width, SIDE, SIDE, -1).swapaxes(1, 2).reshape(self.shape)


@NETWORKS.register("mapped", hidden=())
def mapped(config):
    """A code for each patch of two by two pixels."""
    height, width, _ = config.shape
    positions = (height // SIDE) * (width // SIDE)
    if config.latent % positions:
        raise InputError(f"`latent={config.latent}`: expected a multiple of {positions}, the number of patches.")
    latents = Latents(((height // SIDE, width // SIDE, config.latent // positions),))
    return PatchEncoder(latents, config.numbers), PatchDecoder(latents, config.decoded)
