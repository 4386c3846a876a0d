"""Fully connected encoder and decoder. Without hidden layers they are the linear VAE's."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.posteriors import NORMAL, Posterior
from vae_jax.errors import InputError
from vae_jax.models.networks.table import LECUN, Initializer, NetworkConfig, Shape, register, with_label


class DenseEncoder(nn.Module):
    """x of any shape -> hidden layers -> q(z|x[, y]) over `[latent]`; by default N(mean, diag(exp(log_var)))."""

    latent: int
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    posterior: Posterior = NORMAL
    classes: int = 0
    kernel_init: Initializer = LECUN

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Any:
        h = with_label(jnp.ravel(x), y, self.classes)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, kernel_init=self.kernel_init)(h))
        numbers = self.posterior.outputs * self.latent
        return self.posterior.build(nn.Dense(numbers, kernel_init=self.kernel_init, name="posterior")(h))


class DenseDecoder(nn.Module):
    """z `[latent]` -> hidden layers -> `[*shape[:-1], shape[-1]·outputs]`, the parameters of the likelihood.

    `outputs` is how many numbers the likelihood asks for per pixel and channel.
    """

    shape: Shape
    hidden: tuple[int, ...] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    outputs: int = 1
    classes: int = 0
    kernel_init: Initializer = LECUN
    output_bias: Initializer = nn.initializers.zeros
    output_kernel: Initializer | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        h = with_label(z, y, self.classes)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, kernel_init=self.kernel_init)(h))
        numbers, kernel_init = math.prod(self.shape) * self.outputs, self.output_kernel or self.kernel_init
        h = nn.Dense(numbers, kernel_init=kernel_init, bias_init=self.output_bias, name="likelihood")(h)
        return h.reshape(*self.shape[:-1], self.shape[-1] * self.outputs)


@register("dense", hidden=(400,))
def dense(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """Fully connected, ReLU; `--hidden 500 500` from the image inwards, mirrored in the decoder."""
    shared: Any = {"classes": config.classes, "kernel_init": config.kernel_init}
    last: Any = {"output_bias": config.output_bias, "output_kernel": config.output_kernel}
    return (
        DenseEncoder(config.latent, config.hidden, posterior=config.posterior, **shared),
        DenseDecoder(config.shape, config.hidden[::-1], outputs=config.outputs, **last, **shared),
    )


@register("linear", hidden=())
def linear(config: NetworkConfig) -> tuple[nn.Module, nn.Module]:
    """No hidden layer and no nonlinearity: with a Gaussian likelihood, probabilistic PCA."""
    if config.hidden:
        raise InputError(f"--hidden {' '.join(map(str, config.hidden))}: the linear model has no hidden layers.")
    return dense(config)
