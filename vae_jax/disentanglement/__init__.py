"""Scores of disentanglement, each beside its ceiling and its chance level.

    scores(represent(recipe, params, data.load("sprites").factors))  # name -> value, ceiling, chance

A new score is a new file in this folder with `@register`; it is found by itself.
"""

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

import numpy as np

from vae_jax.disentanglement.agreement import unsupervised_ranking
from vae_jax.disentanglement.calibration import ceiling_and_chance
from vae_jax.disentanglement.represent import represent
from vae_jax.disentanglement.table import SCORES, Representation, Score, noise, perfect, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

QUICK = tuple(sorted(name for name, score in SCORES.items() if not score.slow))


class Scored(NamedTuple):
    """A score, to be read between two others.

    Attributes:
      value: of the representation; the mean over repetitions with other examples.
      error: its standard error over them, NaN for one.
      ceiling: of the factors themselves as the code: what the score can reach on this grid.
      chance: of noise with as many latents.
    """

    value: float
    error: float
    ceiling: float
    chance: float


def scores(
    representation: Representation, *, names: Sequence[str] = QUICK, repeats: int = 1, seed: int = 0
) -> dict[str, Scored]:
    """Disentanglement scores, on 10,000 examples to fit and 5,000 to test, factors drawn uniformly.

    Ceiling and chance are computed once for each grid, score and number of latents, with the same sample sizes, and
    kept on disk.

    Args:
      representation: posterior means of examples of known factors.
      names: of `SCORES`. `dci`, which fits boosted trees to every factor (`dci_2k`: on 2,000 examples), and `mig_chen`,
        which integrates over the whole grid, take minutes and are left out unless named.
      repeats: with so many draws of the examples; slow scores once.
      seed: of NumPy's random state.

    Raises:
      ValueError: a name that is not in the table.
    """
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ValueError(f"no score named {unknown[0]!r}; expected some of {', '.join(SCORES)}.")
    latent = representation.sample(np.random.RandomState(0), 1)[1].shape[1]
    found = {}
    for name in names:
        score, times = SCORES[name], 1 if SCORES[name].slow else repeats
        values = np.array([score.function(np.random.RandomState(seed + i), representation) for i in range(times)])
        error = float(values.std(ddof=1) / np.sqrt(times)) if times > 1 else float("nan")
        calibrated = ceiling_and_chance(name, representation.names, representation.sizes, latent, seed)
        found[name] = Scored(float(values.mean()), error, *calibrated)
    return found


__all__ = [
    "QUICK",
    "SCORES",
    "Representation",
    "Score",
    "Scored",
    "noise",
    "perfect",
    "register",
    "represent",
    "scores",
    "unsupervised_ranking",
]
