"""Scores from scikit-learn's models that predict factors from codes."""

from typing import Any

import numpy as np

from vae_jax.disentanglement.table import TEST, TRAIN, Representation, register

USED = 1e-12  # codes that do not vary predict nothing


@register("dci", slow=True)
def disentanglement(random: np.random.RandomState, representation: Representation) -> float:
    """DCI disentanglement: whether each latent is of importance to one factor alone.

    Σ_j ρ_j (1 − H_K(R_j/ΣR_j)), R the importances `[latent, factors]` in a gradient-boosted classifier of each factor,
    H to base K, the number of factors, and ρ_j the share of latent j in all importance. Rows are normalised first: a
    latent that holds every factor scores 0.

    Reference: Eastwood & Williams, *A framework for the quantitative evaluation of disentangled representations*, 2018.
    """
    return dci(random, representation)["disentanglement"]


@register("dci_2k", slow=True)
def disentanglement_of_fewer(random: np.random.RandomState, representation: Representation) -> float:
    """DCI disentanglement from 2,000 examples, not 10,000: five times faster, to be compared with itself alone."""
    return dci(random, representation, train=2000, test=1000)["disentanglement"]


def dci(
    random: np.random.RandomState, representation: Representation, *, train: int = TRAIN, test: int = TEST
) -> dict[str, float]:
    """Disentanglement, completeness and informativeness, of one set of classifiers.

    Completeness is the same of the columns: whether each factor is in one latent alone. Informativeness is the mean
    accuracy of the classifiers on other examples.

    Args:
      random: NumPy's random state.
      representation: codes of known factors.
      train: examples to fit on.
      test: examples to test on.
    """
    from joblib import Parallel, delayed
    from sklearn.ensemble import GradientBoostingClassifier

    factors, codes = representation.sample(random, train)
    test_factors, test_codes = representation.sample(random, test)
    seeds = random.randint(0, 2**31 - 1, factors.shape[1])

    def boost(k: int) -> tuple[np.ndarray, float]:
        model = GradientBoostingClassifier(random_state=seeds[k]).fit(codes, factors[:, k])
        return np.abs(model.feature_importances_), model.score(test_codes, test_factors[:, k])

    largest_first = np.argsort(representation.sizes)[::-1]
    found: Any = Parallel(-1, prefer="threads")(delayed(boost)(k) for k in largest_first)
    importances, accuracies = zip(*found, strict=True)  # in whatever order of the factors: no result depends on it
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


@register("sap")
def separated_attribute_predictability(random: np.random.RandomState, representation: Representation) -> float:
    """SAP: how far ahead the latent that predicts a factor best is of the next, by a linear classifier of one latent.

    mean over factors of the gap between the two best test accuracies of a linear SVM (C = 0.01, balanced classes) on a
    single latent, fitted on 10,000 examples and tested on 5,000. One latent cannot be told apart linearly in many
    classes, so its ceiling is far below 1.

    Reference: Kumar et al., *Variational inference of disentangled latent concepts*, 2018, section 3.
    """
    from sklearn.svm import LinearSVC

    factors, codes = representation.sample(random, TRAIN)
    test_factors, test_codes = representation.sample(random, TEST)
    accuracy = np.zeros((codes.shape[1], factors.shape[1]))
    for j in range(codes.shape[1]):
        if codes[:, j].var() <= USED:
            continue
        for k in range(factors.shape[1]):
            model = LinearSVC(C=0.01, class_weight="balanced", random_state=random)
            model.fit(codes[:, [j]], factors[:, k])
            accuracy[j, k] = model.score(test_codes[:, [j]], test_factors[:, k])
    ordered = np.sort(accuracy, axis=0)
    return float(np.mean(ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)))
