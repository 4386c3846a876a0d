"""What an encoder's numbers mean: the families of q(z|x) that a loss or `--posterior` chooses from.

A family is a `Posterior`, registered in `POSTERIORS` under its name by a module of this folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vae_jax.distributions.continuous import Delta, Normal
from vae_jax.table import Table


class Rates(NamedTuple):
    """A point in (0, 1) for each latent, the sigmoid of a logit: the code of a sparse autoencoder with rates.

    The logits are kept, since the sigmoid of ±17 is 0 or 1 in float32 and has lost its gradient.
    """

    logits: Array

    has_density = False

    @property
    def mean(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array) -> Array:
        """The rates themselves; the key is not used."""
        del key
        return self.mean

    def log_prob(self, x: ArrayLike) -> Array:
        """0 where x is the rates, else −inf."""
        return Delta(self.mean).log_prob(x)


@dataclass(frozen=True)
class Posterior:
    """A family of q(z|x).

    Attributes:
      name: what `--posterior` takes.
      outputs: numbers that the encoder gives per latent.
      build: those numbers `[outputs·latent]` -> a distribution over `[latent]`.
      has_density: whether it has a density; a point has none.
    """

    name: str
    outputs: int
    build: Callable[[Array], Any]
    has_density: bool = True


POSTERIORS: Table[Posterior] = Table("posterior", "vae_jax.distributions")


def register(posterior: Posterior) -> Posterior:
    """Register a family in `POSTERIORS`."""
    POSTERIORS.add(posterior.name, posterior)
    return posterior


NORMAL = register(Posterior("normal", 2, lambda h: Normal(*jnp.split(h, 2))))
POINT = register(Posterior("point", 1, Delta, has_density=False))  # the code of an autoencoder
RATES = register(Posterior("rates", 1, Rates, has_density=False))  # each in (0, 1)
