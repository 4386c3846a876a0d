"""Whether models that differ only in their seed learn the same latents; no factors need to be known."""

from collections.abc import Sequence

import numpy as np

INFORMATIVE = 0.01  # nats of rate, above which a latent counts


def unsupervised_ranking(codes: Sequence[np.ndarray], rates: Sequence[np.ndarray]) -> np.ndarray:
    """UDR of each of several models of one setting: the median over the others of how well their latents pair up.

    R(a, b) = |Spearman correlation| of latent a of one model and b of another, each with a rate above 0.01 nats;

    UDR_ij = (Σ_b max_a R²/Σ_a R + Σ_a max_b R²/Σ_b R)/(d_i + d_j)

    with d the numbers of those latents: 1 where each latent has one partner, up to its sign and any monotone map.

    Args:
      codes: for each model, `[n, latent]`, posterior means of the same examples.
      rates: for each model, `[latent]`, nats; NaN where they are not defined.

    Returns:
      `[models]`; NaN for fewer than two models, or without rates.

    Reference: Duan et al., *Unsupervised model selection for variational disentangled representation learning*, 2020,
    eqs. 2 and 3.
    """
    from scipy.stats import rankdata

    ranks = []
    for code, rate in zip(codes, rates, strict=True):
        ordered = rankdata(np.asarray(code)[:, np.asarray(rate) > INFORMATIVE], axis=0)
        ranks.append((ordered - ordered.mean(axis=0)) / np.maximum(ordered.std(axis=0), 1e-12))
    count = len(ranks)
    if count < 2 or not all(np.isfinite(rate).all() for rate in rates):
        return np.full(count, np.nan)
    agreement = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(i):
            agreement[i, j] = agreement[j, i] = _pairing(np.abs(ranks[i].T @ ranks[j]) / len(ranks[i]))
    return np.nanmedian(agreement, axis=1)


def _pairing(similarity: np.ndarray) -> float:
    """UDR_ij of `[latents of one, latents of the other]`; 0 where one of them uses no latent."""
    if not similarity.size:
        return 0.0
    shares = [similarity.max(axis=axis) ** 2 / np.maximum(similarity.sum(axis=axis), 1e-12) for axis in (0, 1)]
    return float(np.mean(np.concatenate(shares)))
