"""DCI: disentanglement, completeness and informativeness of boosted trees."""

from typing import Any

import numpy as np

from vae_jax.evaluation.metrics.boosting import boost
from vae_jax.evaluation.metrics.score import SCORES, TEST, TRAIN, Representation


@SCORES.register("dci", also=("dci_completeness", "dci_informativeness"))
def disentanglement(random: np.random.RandomState, representation: Representation) -> tuple[float, float, float]:
    """DCI disentanglement: whether each latent is important for only one factor.

    Σ_j ρ_j (1 − H_K(R_j/ΣR_j)), R the importances `[latent, factors]` in a gradient-boosted classifier of each factor,
    H to base K, the number of factors, and ρ_j the share of latent j in all importance. Rows are normalised first: a
    latent that encodes every factor equally scores 0. With it come completeness and informativeness; see `dci`.

    Reference: Eastwood & Williams, *A framework for the quantitative evaluation of disentangled representations*, 2018;
    the classifier and the sizes are those of disentanglement_lib.
    """
    values = dci(random, representation)
    return values["disentanglement"], values["completeness"], values["informativeness"]


def dci(
    random: np.random.RandomState, representation: Representation, *, train: int = TRAIN, test: int = TEST
) -> dict[str, float]:
    """Disentanglement, completeness and informativeness, from one set of classifiers.

    Completeness is the same for the columns: whether each factor is in only one latent. Informativeness is the mean
    accuracy of the classifiers on other examples.

    Args:
      random: NumPy's random state.
      representation: codes of known factors.
      train: examples to fit on.
      test: examples to test on.
    """
    from joblib import Parallel, delayed

    factors, codes = representation.sample(random, train)
    test_factors, test_codes = representation.sample(random, test)
    seeds = random.randint(0, 2**31 - 1, factors.shape[1])

    def fitted(k: int) -> tuple[np.ndarray, float]:
        importances, told = boost(np.random.RandomState(seeds[k]), codes, factors[:, k], test_codes)
        return importances, float(np.mean(told == test_factors[:, k]))

    largest_first = np.argsort(representation.sizes)[::-1]
    results: Any = Parallel(-1)(delayed(fitted)(k) for k in largest_first)
    importances, accuracies = zip(*results, strict=True)  # the order of the factors affects no result
    matrix = np.array(importances).T
    return {
        "disentanglement": weighted_purity(matrix),
        "completeness": weighted_purity(matrix.T),
        "informativeness": float(np.mean(accuracies)),
    }


def weighted_purity(matrix: np.ndarray) -> float:
    """Σ_i ρ_i (1 − H_K(row i normalised)), ρ_i the row's share of the whole, K the columns; 0 for a matrix of zeros."""
    total = matrix.sum()
    if total <= 0 or matrix.shape[1] < 2:
        return 0.0
    sums = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(sums, 1e-300)
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1) / np.log(matrix.shape[1])
    return float(np.sum(sums[:, 0] / total * (1 - entropy)))
