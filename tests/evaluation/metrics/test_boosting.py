"""Our boosted trees against scikit-learn's, whose splits they are."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from vae_jax.evaluation.metrics.boosting import boost


@pytest.mark.parametrize("values", [2, 4, pytest.param(12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tied", [False, True])
def test_importances_and_predictions_are_scikit_learns(values, tied):
    """Two values, several, and equal codes between which no split may fall; a useless column and a constant one."""
    random = np.random.RandomState(0)
    y = random.randint(0, values, 1500)
    noise = random.randn(1500, 3)
    x = np.stack([y + 0.8 * noise[:, 0], 3 * noise[:, 1] - y**2, noise[:, 2], np.full(1500, 0.3)], axis=1)
    x = np.round(x) if tied else x
    x = np.concatenate([x, 1e-9 * x[:, :1]], axis=1)  # what float32 cannot tell apart tells nothing
    train, test = slice(0, 1000), slice(1000, 1500)
    theirs = GradientBoostingClassifier(random_state=0).fit(x[train], y[train])
    importances, told = boost(np.random.RandomState(1), x[train], y[train], x[test])
    np.testing.assert_allclose(importances, theirs.feature_importances_, atol=0.01)
    assert np.mean(told == theirs.predict(x[test])) > 0.97


def test_labels_need_not_count_from_zero():
    random = np.random.RandomState(0)
    y = random.choice([3, 7, 20], 300)
    importances, told = boost(random, np.stack([y + 0.0, random.randn(300)], axis=1), y, np.array([[3.0, 0], [20, 0]]))
    assert told.tolist() == [3, 20] and importances[0] > 0.99
