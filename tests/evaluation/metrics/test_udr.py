"""The agreement of models that differ in their seed alone."""

import numpy as np
import scipy.stats

from vae_jax.evaluation.metrics import unsupervised_ranking


def test_models_agree_up_to_order_sign_and_a_monotone_map():
    random = np.random.RandomState(0)
    code = random.randn(5000, 3)
    same = np.stack([-(code[:, 2] ** 3), np.exp(code[:, 0]), code[:, 1]], axis=1)
    rates = [np.ones(3)] * 2
    np.testing.assert_allclose(unsupervised_ranking([code, same], rates), 1, atol=0.08)
    axes = scipy.stats.ortho_group.rvs(3, random_state=1)
    assert np.all(unsupervised_ranking([code, code @ axes], rates) < 0.7)
    third = [code, same, code @ axes]  # the median over the others: between the good and the bad partner
    assert unsupervised_ranking(third, [np.ones(3)] * 3)[0] > unsupervised_ranking(third, [np.ones(3)] * 3)[2]


def test_latents_without_a_rate_take_no_part_in_agreement():
    random = np.random.RandomState(0)
    code, other = random.randn(2000, 3), random.randn(2000, 3)
    code[:, 0] = other[:, 2]
    rates = np.array([1.0, 0.0, 0.005]), np.array([0.0, 0.0, 2.0])
    np.testing.assert_allclose(unsupervised_ranking([code, other], rates), 1)
    assert np.all(unsupervised_ranking([code, other], [np.zeros(3), np.ones(3)]) == 0)
    assert np.isnan(unsupervised_ranking([code], [np.ones(3)])).all()
    assert np.isnan(unsupervised_ranking([code, other], [np.full(3, np.nan)] * 2)).all()  # points have no rate


def test_agreement_is_the_papers_formula():
    random = np.random.RandomState(3)
    one = random.randn(1000, 2)
    other = one @ np.array([[1.0, 0.5], [0.0, 1.0]]) + 0.5 * random.randn(1000, 2)
    r = np.abs(scipy.stats.spearmanr(one, other).statistic[:2, 2:])
    expected = sum(r[:, b].max() ** 2 / r[:, b].sum() + r[b].max() ** 2 / r[b].sum() for b in range(2)) / 4
    np.testing.assert_allclose(unsupervised_ranking([one, other], [np.ones(2)] * 2), expected, rtol=1e-6)
