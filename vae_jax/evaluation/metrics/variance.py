"""Which factor a latent follows: the share of each factor's variance that one latent explains."""

import numpy as np
from jax.typing import ArrayLike

BINS = 50  # of a latent, with as many examples in each


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
    factors, codes = np.asarray(factors, float), np.asarray(codes, float)
    if factors.ndim != 2 or codes.ndim != 2 or len(factors) != len(codes) or not len(codes):
        raise ValueError(
            f"expected factors [n, factors] and codes [n, latent] of the same n; got {factors.shape} and {codes.shape}."
        )
    for name, values in (("factors", factors), ("codes", codes)):
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} hold NaN or infinity; expected finite numbers.")
    factors = factors - factors[0]  # so that an offset costs no digits
    varies, total = np.ptp(factors, axis=0) > 0, factors.var(0)
    left = np.tile(total, (codes.shape[1], 1))
    for j, code in enumerate(codes.T):
        edges = np.unique(np.quantile(code, np.arange(1, BINS) / BINS))
        # Values that tie with an edge have a bin of their own: half of a code may be 0.
        bins = np.searchsorted(edges, code, side="left") + np.searchsorted(edges, code, side="right")
        sums = np.zeros((2 * len(edges) + 1, factors.shape[1]))
        np.add.at(sums, bins, factors)
        fitted = sums / np.maximum(np.bincount(bins, minlength=len(sums)), 1)[:, None]
        left[j] = ((factors - fitted[bins]) ** 2).mean(0)
    return np.where(varies, np.clip(1 - left / np.where(varies, total, 1), 0, 1), 0.0)
