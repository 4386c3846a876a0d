"""Which factor a latent follows: the share of each factor's variance that one latent explains."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

BINS = 50  # of each latent, with equally many examples in each
FOLLOWED = 0.5  # the share of a factor's variance from which a latent is said to follow it


def variance_explained(factors: ArrayLike, codes: ArrayLike) -> np.ndarray:
    """R² of each factor, fitted on each latent alone: `[latent, factors]`, from 0 to 1.

    R²_jk = 1 − E[Var(v_k | bin of z_j)] / Var(v_k)

    with 50 bins of equally many examples: the fit is the mean of the factor in each bin, so it may bend, and a hue that
    wraps around is fitted like a size. It is Pearson's correlation ratio η². By chance it is about 50/n. A factor with
    one value, and a latent that does not vary, have 0.

        variance_explained(*represent(recipe, params, factors).sample(np.random.RandomState(0), 10_000))

    Args:
      factors: `[n, factors]`, of examples whose factors are known.
      codes: `[n, latent]`, their codes, as posterior means.

    Raises:
      ValueError: other shapes, or numbers that are not finite.
    """
    v, z = np.asarray(factors, float), np.asarray(codes, float)
    if v.ndim != 2 or z.ndim != 2 or len(v) != len(z) or not len(z):
        raise ValueError(
            f"expected factors [n, factors] and codes [n, latent] of the same n; got {v.shape} and {z.shape}."
        )
    for name, values in (("factors", v), ("codes", z)):
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} hold NaN or infinity; expected finite numbers.")
    v = v - v[0]  # so that an offset costs no digits
    varies, total = np.ptp(v, axis=0) > 0, v.var(0)
    left = np.tile(total, (z.shape[1], 1))
    for j, code in enumerate(z.T):
        edges = np.unique(np.quantile(code, np.arange(1, BINS) / BINS))
        # Values that tie with an edge have a bin of their own: half of a code may be 0.
        bins = np.searchsorted(edges, code, side="left") + np.searchsorted(edges, code, side="right")
        sums = np.zeros((2 * len(edges) + 1, v.shape[1]))
        np.add.at(sums, bins, v)
        fitted = sums / np.maximum(np.bincount(bins, minlength=len(sums)), 1)[:, None]
        left[j] = ((v - fitted[bins]) ** 2).mean(0)
    return np.where(varies, np.clip(1 - left / np.where(varies, total, 1), 0, 1), 0.0)


def followed(names: Sequence[str], explained: ArrayLike) -> list[tuple[str, float]]:
    """For each latent, the factor that it explains most of, in words ("" below one half), and its R².

    Args:
      names: those of the factors.
      explained: as from `variance_explained`.
    """
    found = []
    for shares in np.asarray(explained):
        best = int(shares.argmax())
        word = names[best].replace("_", " ") if shares[best] >= FOLLOWED else ""
        found.append((word, float(shares[best])))
    return found
