"""Fully connected encoder and decoder. Without hidden layers they are the linear VAE's."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions import Normal
from vae_jax.networks.table import Shape, register


class DenseEncoder(nn.Module):
    """x of any shape -> hidden layers -> q(z|x) = N(mean, diag(exp(log_var))) over `[latent]`."""

    latent: int
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu

    @nn.compact
    def __call__(self, x: Array) -> Normal:
        h = jnp.ravel(x)
        for width in self.hidden:
            h = self.activation(nn.Dense(width)(h))
        return Normal(*jnp.split(nn.Dense(2 * self.latent, name="posterior")(h), 2))


class DenseDecoder(nn.Module):
    """z `[latent]` -> hidden layers -> `[*shape[:-1], shape[-1]·outputs]`, the parameters of the likelihood.

    `outputs` is how many numbers the likelihood asks for per pixel and channel.
    """

    shape: Shape
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    outputs: int = 1

    @nn.compact
    def __call__(self, z: Array) -> Array:
        h = z
        for width in self.hidden:
            h = self.activation(nn.Dense(width)(h))
        h = nn.Dense(math.prod(self.shape) * self.outputs, name="likelihood")(h)
        return h.reshape(*self.shape[:-1], self.shape[-1] * self.outputs)


@register("dense", hidden=(400,))
def dense(shape: Shape, latent: int, hidden: tuple[int, ...], outputs: int) -> tuple[nn.Module, nn.Module]:
    """Fully connected, ReLU; `--hidden 500 500` from the image inwards, mirrored in the decoder."""
    return DenseEncoder(latent, hidden), DenseDecoder(shape, hidden[::-1], outputs=outputs)


@register("linear", hidden=())
def linear(shape: Shape, latent: int, hidden: tuple[int, ...], outputs: int) -> tuple[nn.Module, nn.Module]:
    """No hidden layer and no nonlinearity: with a Gaussian likelihood, probabilistic PCA."""
    if hidden:
        raise ValueError(f"the linear model has no hidden layers; got --hidden {' '.join(map(str, hidden))}.")
    return DenseEncoder(latent, ()), DenseDecoder(shape, (), outputs=outputs)
