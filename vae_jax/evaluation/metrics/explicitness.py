"""Explicitness: every value of a factor told from the code by a linear classifier."""

import warnings

import numpy as np

from vae_jax.evaluation.metrics.score import SCORES, TEST, TRAIN, Representation


@SCORES.register("explicitness")
def explicitness(random: np.random.RandomState, representation: Representation) -> float:
    """Explicitness: how well a linear classifier of the whole code tells each value of a factor.

    mean over factors and their values of the area under the ROC curve, one value against the rest, of multinomial
    logistic regression on standardised codes, fitted on 10,000 examples and tested on 5,000. Not rescaled: chance is ½.

    Reference: Ridgeway & Mozer, *Learning deep disentangled embeddings with the F-statistic loss*, 2018; the classifier
    and the sizes are those of disentanglement_lib.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    factors, codes = representation.sample(random, TRAIN)
    test_factors, test_codes = representation.sample(random, TEST)
    middle, scale = codes.mean(axis=0), np.maximum(codes.std(axis=0), 1e-12)
    areas = []
    for values, test_values in zip(factors.T, test_factors.T, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the definition stops after 100 iterations
            model = LogisticRegression().fit((codes - middle) / scale, values)
        shares = model.predict_proba((test_codes - middle) / scale)
        here = [(i, value) for i, value in enumerate(model.classes_) if np.any(test_values == value)]
        areas.append(np.mean([roc_auc_score(test_values == value, shares[:, i]) for i, value in here]))
    return float(np.mean(areas))
