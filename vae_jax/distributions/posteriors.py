"""What an encoder's numbers mean: the families of q(z|x) that a loss or `--posterior` chooses from.

A family is a `Posterior`, registered in `POSTERIORS` under its name by a module of this folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from vae_jax.distributions.continuous import Delta, Normal
from vae_jax.table import Table


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
RATES = register(Posterior("rates", 1, lambda h: Delta(jax.nn.sigmoid(h)), has_density=False))  # each in (0, 1)
