"""disentanglement_lib's definitions of the scores in plain NumPy and, where they say so, scikit-learn.

Every score takes `codes(factors [n, k]) -> [n, latent]`, the number of values of each factor, and a RandomState.
The constants are those of the study's configurations (unsupervised_study_v1): 10,000 points to fit, 5,000 to test,
batches of 64, 20 bins, pruning at 0.05, discrete factors in SAP.

Common to all: factors are uniform and independent (drawn with replacement), codes are posterior means, and nothing
standardises them except explicitness and UDR. `latents` below is the number of columns of the codes.
"""

from collections.abc import Callable, Sequence

import numpy as np

Codes = Callable[[np.ndarray], np.ndarray]
TRAIN, TEST, BATCH, BINS, SMALLEST_DEVIATION = 10_000, 5_000, 64, 20, 0.05


def draw(random: np.random.RandomState, sizes: Sequence[int], n: int) -> np.ndarray:
    """Factors `[n, k]`, each uniform on 0 … size − 1."""
    return np.stack([random.randint(0, size, n) for size in sizes], axis=1)


def sample(codes: Codes, sizes: Sequence[int], random: np.random.RandomState, n: int) -> tuple[np.ndarray, np.ndarray]:
    """`(codes [n, latent], factors [n, k])`."""
    factors = draw(random, sizes, n)
    return np.asarray(codes(factors), np.float64), factors


# Mutual information of binned codes: MIG and modularity


def bin_codes(z: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Each latent in `bins` intervals of equal width between ITS OWN extremes in the sample.

    np.digitize on the histogram's edges WITHOUT the last: labels 1 … bins, intervals closed on the left, and the
    maximum falls in the last interval (with the last edge it would get an interval of its own). Not quantiles.
    A latent that does not vary: np.histogram widens the range to c ± 0.5, so all points share one bin.
    """
    return np.stack([np.digitize(column, np.histogram(column, bins)[1][:-1]) for column in z.T], axis=1)


def plug_in_information(a: np.ndarray, b: np.ndarray) -> float:
    """I(a; b) in nats from the joint frequencies of two integer columns; no correction of its bias."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(max(np.sum(joint[seen] * np.log(joint[seen] / outer[seen])), 0.0))


def information_matrix(z: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """`[latent, factors]`."""
    binned = bin_codes(z)
    matrix = np.array([[plug_in_information(j, k) for k in factors.T] for j in binned.T])
    # A column with one value tells nothing: exactly 0, as scikit-learn returns it (modularity compares with == 0).
    matrix[[len(np.unique(j)) == 1 for j in binned.T]] = 0.0
    return matrix


def mig(codes: Codes, sizes: Sequence[int], random: np.random.RandomState, *, train: int = TRAIN) -> float:
    """mean_k (I_(1)k − I_(2)k)/H(v_k): the two largest over latents.

    H is the entropy of the factor IN THE SAMPLE (I(v; v) by the same estimator), not ln(size), and of the factor as it
    is, not binned: with 40 values in 20 bins a perfect code stays below 1. All factors count, the shape too.
    One latent: the definition has no second and fails (IndexError). A factor of one value: 0/0, NaN.
    """
    z, factors = sample(codes, sizes, random, train)
    ordered = np.sort(information_matrix(z, factors), axis=0)
    entropies = np.array([plug_in_information(k, k) for k in factors.T])
    return float(np.mean((ordered[-1] - ordered[-2]) / entropies))


def modularity(codes: Codes, sizes: Sequence[int], random: np.random.RandomState, *, train: int = TRAIN) -> float:
    """mean_j 1 − (Σ_k I_jk² − max_k I_jk²)/(max_k I_jk² (K − 1)).

    An unweighted mean over ALL latents: a dead one, whose information is exactly 0, scores 0 and lowers the mean.
    "Dead" is == 0: a latent of pure noise has biased information of about (bins − 1)(values − 1)/(2n) and scores what
    the sizes happen to give (0.68 for 3, 6, 40, 32, 32), so that the chance level is far above 0.
    """
    z, factors = sample(codes, sizes, random, train)
    squares = np.square(information_matrix(z, factors))
    best = squares.max(axis=1)
    alive = best > 0
    each = np.zeros(len(best))
    each[alive] = 1 - (squares.sum(axis=1) - best)[alive] / (best[alive] * (len(sizes) - 1))
    return float(each.mean())


def explicitness(
    codes: Codes, sizes: Sequence[int], random: np.random.RandomState, *, train: int = TRAIN, test: int = TEST
) -> tuple[float, float]:
    """`(train, test)`: mean over factors of the ROC AUC, one class against the rest, of logistic regression.

    The plain mean over the classes of a factor (macro), NOT rescaled: chance is 0.5, not 0. Codes are standardised by
    mean and standard deviation (ddof 0) of the training sample, with no guard: a latent of deviation exactly 0 gives
    NaN and scikit-learn fails (a constant like 0.3, whose deviation rounds to 6e-17, passes as a useless column). A
    class missing from the test sample fails as well. LogisticRegression is scikit-learn's default (C = 1,
    100 iterations; multinomial since 0.22, one-vs-rest when the study was made).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    z, factors = sample(codes, sizes, random, train)
    test_z, test_factors = sample(codes, sizes, random, test)
    mean, deviation = z.mean(axis=0), z.std(axis=0)
    z, test_z = (z - mean) / deviation, (test_z - mean) / deviation
    areas = []
    for k in range(len(sizes)):
        model = LogisticRegression().fit(z, factors[:, k])
        areas.append(
            [
                np.mean(
                    [
                        roc_auc_score(y[:, k] == value, p)
                        for value, p in zip(model.classes_, model.predict_proba(x).T, strict=True)
                    ]
                )
                for x, y in ((z, factors), (test_z, test_factors))
            ]
        )
    on_train, on_test = np.mean(areas, axis=0)
    return float(on_train), float(on_test)


# Predictors: SAP and DCI


def sap(
    codes: Codes, sizes: Sequence[int], random: np.random.RandomState, *, train: int = TRAIN, test: int = TEST
) -> float:
    """mean_k (A_(1)k − A_(2)k): test accuracies of a linear SVM on single latents (C = 0.01, balanced classes).

    Factors are discrete in the study (continuous_factors = False). A latent that does NOT vary gets no special case: an
    SVM is fitted to it all the same, which says one class always, so its accuracy is about 1/size, not 0 (only the
    continuous variant, squared correlations, has a case for variances below 1e-12). Codes are not standardised, and C
    and the SVM's regularised intercept make the score depend on their scale. One latent: fails (IndexError).
    LinearSVC has dual="auto" since scikit-learn 1.5, so the primal and no randomness here; before, the dual.
    """
    from sklearn.svm import LinearSVC

    z, factors = sample(codes, sizes, random, train)
    test_z, test_factors = sample(codes, sizes, random, test)
    accuracy = np.zeros((z.shape[1], len(sizes)))
    for j in range(z.shape[1]):
        for k in range(len(sizes)):
            model = LinearSVC(C=0.01, class_weight="balanced", random_state=0).fit(z[:, [j]], factors[:, k])
            accuracy[j, k] = np.mean(model.predict(test_z[:, [j]]) == test_factors[:, k])
    ordered = np.sort(accuracy, axis=0)
    return float(np.mean(ordered[-1] - ordered[-2]))


def dci(
    codes: Codes, sizes: Sequence[int], random: np.random.RandomState, *, train: int = TRAIN, test: int = TEST
) -> dict[str, float]:
    """Disentanglement, completeness, informativeness (test accuracy) and that on the training sample.

    GradientBoostingClassifier with scikit-learn's defaults for each factor: 100 stages, depth 3, learning rate 0.1, a
    tree for each class and stage, multinomial deviance; importances are impurity decreases of the squared error of the
    RESIDUALS (no hessians), summed over all trees and normalised to 1 for each factor.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    z, factors = sample(codes, sizes, random, train)
    test_z, test_factors = sample(codes, sizes, random, test)
    importances, accuracies = np.zeros((z.shape[1], len(sizes))), []
    for k in range(len(sizes)):
        model = GradientBoostingClassifier(random_state=0).fit(z, factors[:, k])  # unseeded in the definition
        importances[:, k] = np.abs(model.feature_importances_)
        accuracies.append([model.score(z, factors[:, k]), model.score(test_z, test_factors[:, k])])
    on_train, on_test = np.mean(accuracies, axis=0)
    return {
        "disentanglement": purity(importances),
        "completeness": purity(importances.T),
        "informativeness": float(on_test),
        "informativeness_train": float(on_train),
    }


def purity(matrix: np.ndarray) -> float:
    """Σ_i ρ_i (1 − H(row i + 1e-11, normalised; base = number of columns)), ρ_i the row's share of the whole.

    Disentanglement: rows are latents; completeness: rows are factors. A dead latent has a uniform row (by the 1e-11),
    entropy 1, and weight 0. A matrix of zeros counts as one of ones for ρ, and scores 0. One column: log 1 = 0, NaN.
    Every factor's importances sum to 1, so that completeness is the plain mean over factors.
    """
    shares = (matrix + 1e-11) / (matrix + 1e-11).sum(axis=1, keepdims=True)
    entropies = -np.sum(shares * np.log(shares), axis=1) / np.log(matrix.shape[1])
    weights = matrix.sum(axis=1) if matrix.sum() else np.ones(len(matrix))
    return float(np.sum(weights / weights.sum() * (1 - entropies)))


# A factor held fixed: β-VAE and FactorVAE


def beta_vae(
    codes: Codes,
    sizes: Sequence[int],
    random: np.random.RandomState,
    *,
    train: int = TRAIN,
    test: int = TEST,
    batch: int = BATCH,
) -> float:
    """Test accuracy of naming the factor that pairs share. Feature: mean over `batch` pairs of |z₁ − z₂|, per latent.

    The shared VALUE differs from pair to pair of a batch (FactorVAE: one value for the batch). All latents are used,
    unscaled, dead ones too. LogisticRegression is scikit-learn's default (C = 1, 100 iterations). The mean of absolute
    differences is what is classified, not their square, nor the difference of means.
    """
    from sklearn.linear_model import LogisticRegression

    def points(n: int) -> tuple[np.ndarray, np.ndarray]:
        x, held = [], random.randint(len(sizes), size=n)
        for part in np.array_split(held, max(n // 500, 1)):
            first, second = draw(random, sizes, len(part) * batch), draw(random, sizes, len(part) * batch)
            rows, shared = np.arange(len(first)), np.repeat(part, batch)
            second[rows, shared] = first[rows, shared]
            x.append(np.abs(codes(first) - codes(second)).reshape(len(part), batch, -1).mean(axis=1))
        return np.concatenate(x), held

    model = LogisticRegression(random_state=random).fit(*points(train))
    return float(model.score(*points(test)))


def factor_vae(
    codes: Codes,
    sizes: Sequence[int],
    random: np.random.RandomState,
    *,
    train: int = TRAIN,
    test: int = TEST,
    batch: int = BATCH,
    variance: int = TRAIN,
    threshold: float = SMALLEST_DEVIATION,
) -> float:
    """Test accuracy of naming the factor held in a batch by the latent of least relative variance, by majority vote.

    Latents whose STANDARD DEVIATION (not variance; ddof 1, from `variance` points of their own) is below 0.05 are left
    out (≥ stays). 0.05 is the study's configuration: the function's own default, 0, keeps every latent, and 0/0 of one
    that never varies would win every vote. No latent left: both accuracies are 0. Local variances have ddof 1 and are
    divided by the global ones. A latent without votes in training says factor 0; ties go to the lowest factor, and
    among latents to the first.
    """
    z, _ = sample(codes, sizes, random, variance)
    spread = z.var(axis=0, ddof=1)
    active = np.sqrt(spread) >= threshold
    if not active.any():
        return 0.0

    def votes(n: int) -> np.ndarray:
        table = np.zeros((len(sizes), active.sum()), int)
        held = random.randint(len(sizes), size=n)
        for part in np.array_split(held, max(n // 500, 1)):
            factors = draw(random, sizes, len(part) * batch).reshape(len(part), batch, -1)
            for one, k in zip(factors, part, strict=True):
                one[:, k] = one[0, k]
            local = np.reshape(codes(factors.reshape(len(part) * batch, -1)), (len(part), batch, -1)).var(
                axis=1, ddof=1
            )
            np.add.at(table, (part, np.argmin(local[:, active] / spread[active], axis=1)), 1)
        return table

    majority = votes(train).argmax(axis=0)
    tested = votes(test)
    return float(tested[majority, np.arange(tested.shape[1])].sum() / tested.sum())


# UDR


def udr_spearman(
    codes: Sequence[np.ndarray], rates: Sequence[np.ndarray], *, threshold: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """`(scores [models], pairs [models, models])`: |Spearman correlation| of the means of the same examples.

    A latent that passes the mask of rates but whose mean does not vary has correlation NaN with everything, and NaN
    spreads to every maximum and sum that contains it (see `pair`).
    """
    from scipy.stats import rankdata

    def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        ranks = [rankdata(x, axis=0) for x in (a, b)]  # ties get their mean rank
        centred = [r - r.mean(axis=0) for r in ranks]
        norms = [np.sqrt(np.sum(np.square(c), axis=0)) for c in centred]
        with np.errstate(invalid="ignore"):
            return np.abs(centred[0].T @ centred[1] / np.outer(*norms))

    return _udr(codes, rates, threshold, similarity)


def udr_lasso(
    codes: Sequence[np.ndarray], rates: Sequence[np.ndarray], *, threshold: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """`(scores [models], pairs [models, models])`: |coefficients| of a Lasso, α = 0.1, with an intercept.

    Inputs AND targets are standardised (mean 0, variance 1, ddof 0), then masked latents are set to 0 on both sides, so
    they take no part as predictors. scikit-learn's objective, ‖y − Xw‖²/(2n) + 0.1 ‖w‖₁: an identical latent gets 0.9,
    not 1, so that a perfect pair scores 0.9. Not symmetric: pairs[i, j] predicts the latents of j from those of i, and
    model i is scored by COLUMN i, where others predict it.
    """
    from sklearn.linear_model import Lasso

    def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs(np.atleast_2d(Lasso(alpha=0.1).fit(a, b).coef_)).T  # [latents of a, latents of b]

    return _udr(codes, rates, threshold, similarity)


def _udr(codes, rates, threshold, similarity) -> tuple[np.ndarray, np.ndarray]:
    """Median over the other models of the scores of pairs, the pair with itself left out.

    rates `[latent]`: KL of each latent from the prior in nats, the mean over the examples. Informative: strictly above
    0.01 (the study's threshold, also written out where latents are set to 0). All models have as many latents.
    """
    informative = [np.asarray(rate) > threshold for rate in rates]
    standard = []
    for code, rate in zip(codes, rates, strict=True):
        code = np.asarray(code, np.float64)
        deviation = code.std(axis=0)
        code = (code - code.mean(axis=0)) / np.where(deviation < 1e-12, 1.0, deviation)
        standard.append(code * (np.asarray(rate) > 0.01))
    count = len(standard)
    pairs = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if i != j:
                matrix = similarity(standard[i], standard[j])[informative[i]][:, informative[j]]
                pairs[i, j] = pair(matrix)
    scores = np.array([np.median(np.delete(pairs[:, i], i)) for i in range(count)])
    return scores, pairs


def pair(matrix: np.ndarray) -> float:
    """½ (mean_b max_a R²/Σ_a R + mean_a max_b R²/Σ_b R): each AXIS counts half, however many latents it has.

    The paper's equation 3 divides the sum of both by d_a + d_b instead, so that each LATENT counts the same; they agree
    where d_a = d_b. NaN (0/0 or a constant latent) counts as 0 in the mean, it is not left out. No informative latent
    in one of the models: the definition fails (the maximum of nothing).
    """
    halves = []
    for axis in (0, 1):
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.max(matrix, axis=axis) ** 2 / np.sum(matrix, axis=axis)
        halves.append(np.mean(np.nan_to_num(shares)))
    return float(np.mean(halves))


# Codes to compare on


def perfect_code(sizes: Sequence[int]) -> Codes:
    """The factors, each of mean 0 and variance 1."""
    counts = np.array(sizes)
    return lambda factors: (factors - (counts - 1) / 2) / np.sqrt((counts**2 - 1) / 12)


def rotated_code(sizes: Sequence[int], seed: int = 0) -> Codes:
    """The perfect code under a random rotation."""
    rotation, _ = np.linalg.qr(np.random.RandomState(seed).randn(len(sizes), len(sizes)))
    perfect = perfect_code(sizes)
    return lambda factors: perfect(factors) @ rotation


def noisy_code(sizes: Sequence[int], scale: float = 0.5, seed: int = 0) -> Codes:
    """The perfect code plus noise, drawn anew for every example."""
    random, perfect = np.random.RandomState(seed), perfect_code(sizes)
    return lambda factors: perfect(factors) + scale * random.randn(*factors.shape)


def random_code(sizes: Sequence[int], seed: int = 0) -> Codes:
    """Noise alone."""
    random = np.random.RandomState(seed)
    return lambda factors: random.randn(*factors.shape)
