"""Scores of one representation, each beside that of a perfect code and its chance level."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vae_jax.errors import InputError
from vae_jax.evaluation.metrics.calibration import perfect_and_chance
from vae_jax.evaluation.metrics.score import SCORES, Representation
from vae_jax.progress import pieces


def quick() -> tuple[str, ...]:
    """The names of the scores that take seconds."""
    return tuple(name for name, score in SCORES.items() if not score.slow)


class Scored(NamedTuple):
    """A score, to be read between its chance level and that of a perfect code.

    Attributes:
      value: that of the representation; the mean over repetitions with other examples.
      error: its standard error over them, NaN for one.
      perfect: that of the factors themselves as the code. Not a bound: another perfect code may score more.
      chance: that of noise with as many latents.
    """

    value: float
    error: float
    perfect: float
    chance: float


def scores(
    representation: Representation, *, names: Sequence[str] | None = None, repeats: int = 1, seed: int = 0
) -> dict[str, Scored]:
    """Disentanglement scores, on 10,000 examples to fit and 5,000 to test, factors drawn uniformly.

    The scores of the perfect code and of chance are computed once for each grid, score and number of latents, with the
    same sample sizes, and kept on disk.

    Args:
      representation: posterior means of examples of known factors.
      names: names in `SCORES`; by default the quick ones. `mig_chen`, which goes over the whole grid, takes minutes.
      repeats: repetitions with other examples; slow scores run once.
      seed: the seed of NumPy's random state.

    Raises:
      ValueError: a name that is not in the table.
      InputError: fewer than two factors, a factor with a single value, or codes that are not finite.
    """
    names = quick() if names is None else names
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ValueError(f"no score named {unknown[0]!r}; expected some of {', '.join(SCORES)}.")
    if len(representation.sizes) < 2 or min(representation.sizes) < 2:
        raise InputError(
            f"scores need two factors or more, each of two values or more; got sizes {representation.sizes}."
        )
    codes = representation.sample(np.random.RandomState(0), 1000)[1]
    if not np.isfinite(codes).all():
        raise InputError("the codes hold NaN or infinity; expected finite numbers. Look whether training diverged.")
    latent = codes.shape[1]
    scored = {}
    for name in pieces(names, doing="scores", unit="score"):
        score, times = SCORES[name], 1 if SCORES[name].slow else repeats
        runs = [score(np.random.RandomState(seed + i), representation) for i in range(times)]
        calibrated = perfect_and_chance(name, representation, latent, seed)
        for part in score.names:
            values = np.array([run[part] for run in runs])
            error = float(values.std(ddof=1) / np.sqrt(times)) if times > 1 else float("nan")
            scored[part] = Scored(float(values.mean()), error, *calibrated[part])
    return scored
