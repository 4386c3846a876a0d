"""What an encoder's numbers mean: the family of q(z|x). A loss names the one that it needs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions import Delta, Normal


class Posterior(NamedTuple):
    """A family of q(z|x).

    Attributes:
      outputs: numbers that the encoder gives per latent.
      build: those numbers, `[outputs·latent]` -> a distribution over `[latent]`.
    """

    outputs: int
    build: Callable[[Array], Any]


POSTERIORS: dict[str, Posterior] = {
    "normal": Posterior(2, lambda h: Normal(*jnp.split(h, 2))),
    "point": Posterior(1, Delta),  # the code of an autoencoder
    "rates": Posterior(1, lambda h: Delta(jax.nn.sigmoid(h))),  # a code of firing rates, each in (0, 1)
}
