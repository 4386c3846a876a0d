"""Where a decoder starts: at zero, or at the best values for data with a known mean and variance."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from vae_jax.models.likelihoods import Likelihood

FAINT = nn.initializers.variance_scaling(1e-4, "fan_in", "truncated_normal")  # a hundredth of the usual kernel


@dataclass(frozen=True)
class Values:
    """An initialiser of the decoder's last bias to given values; a convolution takes the mean of each channel.

    Attributes:
      numbers: the values of the whole output, in its order.
    """

    numbers: tuple[float, ...]

    @cached_property
    def _hash(self) -> int:
        return hash(self.numbers)

    def __hash__(self) -> int:
        return self._hash  # needed at every call of a compiled function

    def __call__(self, key: Any, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        """The bias of a layer, `[numbers]` or `[channels]`."""
        del key
        values = np.asarray(self.numbers, np.float32)
        if math.prod(shape) != values.size:
            values = values.reshape(-1, *shape).mean(0)
        return jnp.asarray(values.reshape(shape), dtype)


def start_at(
    likelihood: Likelihood, mean: np.ndarray, variance: np.ndarray, *, per_channel: bool = False
) -> tuple[Likelihood, dict[str, Any]]:
    """A likelihood, and initialisers of the decoder's last layer, so that an untrained model has these moments.

    The last kernel starts small: with a σ that fits, what random weights add to the mean image costs a thousand nats,
    and Adam remembers that gradient for a thousand steps.

    Args:
      likelihood: an entry of `LIKELIHOODS`.
      mean: `[*shape]`, the mean of the training data as the model sees them.
      variance: `[*shape]`, their variance.
      per_channel: whether the last bias has one value per channel; the moments are then pooled over its pixels.

    Returns:
      The likelihood, and `output_bias` and `output_kernel` of a `NetworkConfig`.

    Reference: Burda et al., *Importance weighted autoencoders*, 2016, whose output biases start so.
    """
    mean, variance = np.asarray(mean, float), np.asarray(variance, float)
    if per_channel:
        pixels = tuple(range(mean.ndim - 1))
        pooled = variance.mean(pixels) + mean.var(pixels)
        mean, variance = (np.broadcast_to(moment, mean.shape) for moment in (mean.mean(pixels), pooled))
    likelihood, output = likelihood.started(mean, variance)
    bias = Values(tuple(np.ravel(output).astype(np.float32).tolist()))
    return likelihood, {"output_bias": bias, "output_kernel": FAINT}
