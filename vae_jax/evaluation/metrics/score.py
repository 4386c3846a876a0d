"""The table of disentanglement scores, and what they are computed from."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.continuous import Normal
from vae_jax.registry import Registry, summary

TRAIN, TEST = 10_000, 5_000  # points, as in disentanglement_lib


class Representation(NamedTuple):
    """Codes of examples whose factors of variation are known.

    Attributes:
      names: the names of the factors.
      sizes: how many values each has, counted from 0.
      codes: factors `[n, factors]` -> codes `[n, latent]`, posterior means.
      posterior: a `Normal` of every example of the grid, leaves `[count, latent]`, the last factor varying fastest;
        None if the codes are points.
      aside: factors that the published `mig_chen` of this data set leaves out.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    codes: Callable[[np.ndarray], np.ndarray]
    posterior: Normal | None = None
    aside: tuple[str, ...] = ()

    def factors(self, random: np.random.RandomState, n: int) -> np.ndarray:
        """Factors of n examples, each uniform and independent, `[n, factors]`."""
        return np.stack([random.randint(0, size, n) for size in self.sizes], axis=1)

    def sample(self, random: np.random.RandomState, n: int) -> tuple[np.ndarray, np.ndarray]:
        """`(factors [n, factors], codes [n, latent])` of n examples."""
        factors = self.factors(random, n)
        return factors, np.asarray(self.codes(factors))


@dataclass(frozen=True)
class Score:
    """One entry of `SCORES`.

    Attributes:
      name: as reported.
      function: `(random, representation) -> [0, 1]`, or as many numbers as there are names.
      slow: whether it takes minutes on the grid of dSprites; then it is computed only if named, and only once.
      also: the names of what else it computes.
    """

    name: str
    function: Callable[[np.random.RandomState, Representation], Any]
    _: KW_ONLY
    slow: bool = False
    also: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of everything that it computes."""
        return self.name, *self.also

    def __call__(self, random: np.random.RandomState, representation: Representation) -> dict[str, float]:
        """What it computes, by name."""
        values = np.atleast_1d(self.function(random, representation)).tolist()
        return dict(zip(self.names, values, strict=True))

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return summary(self.function)


SCORES = Registry("score", "vae_jax.evaluation.metrics", Score)


def score_names() -> list[str]:
    """The names of everything that the scores compute, in the order of the table."""
    return [name for score in SCORES.values() for name in score.names]


def perfect(names: tuple[str, ...], sizes: tuple[int, ...], aside: tuple[str, ...] = ()) -> Representation:
    """The code that is the factors themselves, each of mean 0 and variance 1.

    Scores that depend on the spacing of the values, such as SAP and MIG, may be higher for another perfect code: this
    one is not a bound. Its posteriors are a tenth as wide as the steps between values.

    Args:
      names: the names of the factors.
      sizes: how many values each has.
      aside: factors that `mig_chen` leaves out.
    """
    counts = np.array(sizes)
    middle, deviation = (counts - 1) / 2, np.sqrt(np.maximum(counts**2 - 1, 1) / 12)
    everywhere = np.indices(sizes).reshape(len(sizes), -1).T

    def codes(factors: np.ndarray) -> np.ndarray:
        return (factors - middle) / deviation

    return Representation(names, sizes, codes, _around(codes(everywhere), 0.1 / deviation), aside)


def noise(
    names: tuple[str, ...], sizes: tuple[int, ...], latent: int, seed: int = 0, aside: tuple[str, ...] = ()
) -> Representation:
    """A code of `latent` standard normals, independent of the factors: its score is the chance level.

    Args:
      names: the names of the factors.
      sizes: how many values each has.
      latent: how many latents.
      seed: the seed of NumPy's random state.
      aside: factors that `mig_chen` leaves out.
    """
    random = np.random.RandomState(seed)
    everywhere = random.randn(int(np.prod(sizes)), latent)
    return Representation(
        names,
        sizes,
        lambda factors: random.randn(len(factors), latent),
        _around(everywhere, np.full(latent, 0.1)),
        aside,
    )


def _around(means: np.ndarray, scale: np.ndarray) -> Normal:
    """Posteriors with these means and σs."""
    log_var = np.broadcast_to(2 * np.log(scale), means.shape)
    return Normal(*(jnp.asarray(leaf, jnp.float32) for leaf in (means, log_var)))
