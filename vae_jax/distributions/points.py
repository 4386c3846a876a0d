"""Points, the codes of autoencoders: distributions of one example without a density."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


class Delta(NamedTuple):
    """All mass on one point: the code of a deterministic autoencoder. `log_prob` is 0 there and −inf elsewhere.

    Attributes:
      value: the point, `[latent]` or any shape.
    """

    value: Array

    has_density = False

    @property
    def mean(self) -> Array:
        return self.value

    def sample(self, key: Array) -> Array:
        """The value itself; the key is not used."""
        del key
        return self.value

    def log_prob(self, x: ArrayLike) -> Array:
        """0 where x is the value, else −inf."""
        return jnp.where(jnp.all(x == self.value), 0.0, -jnp.inf)


class Activations(NamedTuple):
    """A point in (0, 1) for each latent, the sigmoid of a logit: the code of a sparse autoencoder (`sparse-rate`).

    The logits are kept, since the sigmoid of 17 is already 1 in float32 and has no gradient.

    Attributes:
      logits: `[latent]`.
    """

    logits: Array

    has_density = False

    @property
    def mean(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array) -> Array:
        """The activations themselves; the key is not used."""
        del key
        return self.mean

    def log_prob(self, x: ArrayLike) -> Array:
        """0 where x equals the activations, else −inf."""
        return Delta(self.mean).log_prob(x)
