"""Whether models that differ only in their seed learn the same latents; no factors need to be known."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

INFORMATIVE = 0.01  # nats of rate, above which a latent counts
ROTATIONS = 2000  # random rotations that chance is averaged over
SHRINKAGE = 0.1  # the Lasso's α


class Agreement(NamedTuple):
    """UDR of each of several models, beside its chance level.

    Attributes:
      value: `[models]`, the median over the other models; NaN for fewer than two models, or without rates.
      chance: `[models]`, the same for codes that share their information and nothing else: random rotations of one
        code, with each model's own number of informative latents. It falls with that number: 0.66 for two latents,
        0.38 for four, 0.19 for eight (Spearman).
      latents: `[models]`, how many latents of each are informative.
    """

    value: np.ndarray
    chance: np.ndarray
    latents: np.ndarray


def unsupervised_ranking(
    codes: Sequence[np.ndarray], rates: Sequence[np.ndarray], *, similarity: str = "spearman"
) -> Agreement:
    """UDR of each of several models of one setting: the median over the others of how well their latents pair up.

    UDR_ij = ½ (mean_b max_a R_ab²/Σ_a R_ab + mean_a max_b R_ab²/Σ_b R_ab)

    with a and b the latents of the two models that have a rate above 0.01 nats, so that each model counts half, however
    many latents it uses. R_ab is

    - `spearman`: |Spearman's correlation|. 1 where each latent has one partner, up to its sign and a monotone map.
    - `lasso`: |the weight of latent a in a Lasso (α = 0.1) that predicts latent b|, both standardised; at most 0.9.
      Not symmetric: model i is scored where the others predict it.

    Args:
      codes: for each model, `[n, latent]`, posterior means of the same examples.
      rates: for each model, `[latent]`, in nats; NaN if they are not defined.
      similarity: `spearman` or `lasso`.

    Raises:
      ValueError: another similarity.

    Reference: Duan et al., *Unsupervised model selection for variational disentangled representation learning*, 2020;
    axes are weighed as in disentanglement_lib's code.
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity must be one of {', '.join(SIMILARITIES)}; got {similarity!r}.")
    used = [np.asarray(code)[:, np.asarray(rate) > INFORMATIVE] for code, rate in zip(codes, rates, strict=True)]
    latents, count = np.array([code.shape[1] for code in used]), len(used)
    if count < 2 or not all(np.isfinite(rate).all() for rate in rates):
        return Agreement(np.full(count, np.nan), np.full(count, np.nan), latents)
    value, chance = np.full((2, count, count), np.nan)
    for i in range(count):
        for j in range(count):
            if i != j:
                value[i, j] = _pairing(SIMILARITIES[similarity](used[j], used[i]))
                chance[i, j] = chance_agreement(int(latents[j]), int(latents[i]), similarity)
    return Agreement(np.nanmedian(value, axis=1), np.nanmedian(chance, axis=1), latents)


@lru_cache(maxsize=256)
def chance_agreement(latents: int, others: int, similarity: str) -> float:
    """UDR_ij of random rotations of one normal code, with as many coordinates for each model as it has latents.

    The correlations between two rotations of a normal code are a rotation matrix, from which both similarities follow.

    Args:
      latents: how many latents one model uses.
      others: how many the other uses.
      similarity: `spearman` or `lasso`.
    """
    random, size = np.random.RandomState(0), max(latents, others)
    of_correlation = {
        "spearman": lambda r: 6 / np.pi * np.arcsin(np.abs(r) / 2),
        "lasso": lambda r: np.maximum(np.abs(r) - SHRINKAGE, 0.0),
    }[similarity]
    rotations = np.linalg.qr(random.randn(ROTATIONS, size, size))[0][:, :latents, :others]
    return float(np.mean([_pairing(matrix) for matrix in of_correlation(rotations)]))


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = [_standard(rankdata(code, axis=0)) for code in (a, b)]
    return np.abs(ranks[0].T @ ranks[1]) / len(a)


def _lasso(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import Lasso

    if not a.shape[1] or not b.shape[1]:
        return np.zeros((a.shape[1], b.shape[1]))
    return np.abs(np.atleast_2d(Lasso(alpha=SHRINKAGE).fit(_standard(a), _standard(b)).coef_)).T


SIMILARITIES = {"spearman": _spearman, "lasso": _lasso}


def _standard(code: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1; a column that does not vary is all 0."""
    return (code - code.mean(axis=0)) / np.maximum(code.std(axis=0), 1e-12)


def _pairing(matrix: np.ndarray) -> float:
    """UDR_ij of `[latents of one, latents of the other]`; 0 if one of them uses no latent."""
    if not matrix.size:
        return 0.0
    shares = [matrix.max(axis=axis) ** 2 / np.maximum(matrix.sum(axis=axis), 1e-12) for axis in (0, 1)]
    return float(np.mean([share.mean() for share in shares]))
