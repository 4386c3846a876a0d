"""Scores of disentanglement, each beside its ceiling and its chance level.

    scores(of_sprites(recipe, params), latent=10)   # name -> value, ceiling, chance

A new score is a new file in this folder with `@register`; it is found by itself.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

import numpy as np

from vae_jax.disentanglement.sprites import of_sprites
from vae_jax.disentanglement.table import SCORES, Representation, Score, noise, perfect, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

QUICK = ("beta_vae", "factor_vae", "mig", "modularity", "sap")


class Scored(NamedTuple):
    """A score, to be read between two others.

    Attributes:
      value: of the representation.
      ceiling: of the factors themselves as the code: what the score can reach on this grid.
      chance: of noise with as many latents.
    """

    value: float
    ceiling: float
    chance: float


def scores(
    representation: Representation, *, latent: int, names: Sequence[str] = QUICK, seed: int = 0
) -> dict[str, Scored]:
    """Disentanglement scores, all on 10,000 examples to fit and 5,000 to test, factors drawn uniformly.

    Ceiling and chance are computed once for each grid, score and number of latents, with the same sample sizes.

    Args:
      representation: posterior means of examples of known factors.
      latent: how many latents they have.
      names: of `SCORES`; `dci` fits boosted trees to every factor, minutes of them, and is left out unless named.
      seed: of NumPy's random state.

    Raises:
      ValueError: a name that is not in the table.
    """
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ValueError(f"no score named {unknown[0]!r}; expected some of {', '.join(SCORES)}.")
    return {
        name: Scored(
            SCORES[name].function(np.random.RandomState(seed), representation),
            *_calibration(name, representation.names, representation.sizes, latent, seed),
        )
        for name in names
    }


@cache
def _calibration(
    name: str, names: tuple[str, ...], sizes: tuple[int, ...], latent: int, seed: int
) -> tuple[float, float]:
    """Ceiling and chance."""
    both = perfect(names, sizes), noise(names, sizes, latent)
    ceiling, chance = (SCORES[name].function(np.random.RandomState(seed), code) for code in both)
    return ceiling, chance


__all__ = [
    "QUICK",
    "SCORES",
    "Representation",
    "Score",
    "Scored",
    "noise",
    "of_sprites",
    "perfect",
    "register",
    "scores",
]
