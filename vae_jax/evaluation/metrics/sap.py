"""SAP: the lead of the best single-latent linear classifier."""

import numpy as np

from vae_jax.evaluation.metrics.score import SCORES, TEST, TRAIN, Representation


@SCORES.register("sap")
def separated_attribute_predictability(random: np.random.RandomState, representation: Representation) -> float:
    """SAP: how much better the best latent linearly predicts a factor than the next best.

    mean over factors of the gap between the two best test accuracies of a linear SVM (C = 0.01, balanced classes) on a
    single latent, fitted on 10,000 examples and tested on 5,000. A linear classifier cannot split one latent into
    many classes, so that even a perfect code is far below 1. A latent that does not vary has the accuracy of a constant
    classifier, and so has the second of a code with a single latent.

    Reference: Kumar et al., *Variational inference of disentangled latent concepts*, 2018, section 3; C, the balance
    and the sizes are those of disentanglement_lib.
    """
    from sklearn.svm import LinearSVC

    factors, codes = representation.sample(random, TRAIN)
    test_factors, test_codes = representation.sample(random, TEST)
    if codes.shape[1] == 1:
        codes, test_codes = (np.concatenate([part, np.zeros_like(part)], axis=1) for part in (codes, test_codes))
    accuracy = np.zeros((codes.shape[1], factors.shape[1]))
    for j in range(codes.shape[1]):
        for k in range(factors.shape[1]):
            model = LinearSVC(C=0.01, class_weight="balanced", random_state=random)
            model.fit(codes[:, [j]], factors[:, k])
            accuracy[j, k] = model.score(test_codes[:, [j]], test_factors[:, k])
    ordered = np.sort(accuracy, axis=0)
    return float(np.mean(ordered[-1] - ordered[-2]))
