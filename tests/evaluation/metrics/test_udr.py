"""The agreement of models that differ in their seed alone."""

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import Lasso

from vae_jax.evaluation.metrics import unsupervised_ranking


def test_models_agree_up_to_order_sign_and_a_monotone_map():
    random = np.random.RandomState(0)
    code = random.randn(5000, 3)
    same = np.stack([-(code[:, 2] ** 3), np.exp(code[:, 0]), code[:, 1]], axis=1)
    rates = [np.ones(3)] * 2
    np.testing.assert_allclose(unsupervised_ranking([code, same], rates).value, 1, atol=0.08)
    axes = scipy.stats.ortho_group.rvs(3, random_state=1)
    assert np.all(unsupervised_ranking([code, code @ axes], rates).value < 0.7)
    third = [code, same, code @ axes]  # the median over the others: between the good and the bad partner
    agreement = unsupervised_ranking(third, [np.ones(3)] * 3).value
    assert agreement[0] > agreement[2]


def test_latents_without_a_rate_take_no_part_in_agreement():
    random = np.random.RandomState(0)
    code, other = random.randn(2000, 3), random.randn(2000, 3)
    code[:, 0] = other[:, 2]
    rates = np.array([1.0, 0.0, 0.005]), np.array([0.0, 0.0, 2.0])
    np.testing.assert_allclose(unsupervised_ranking([code, other], rates).value, 1)
    assert np.all(unsupervised_ranking([code, other], [np.zeros(3), np.ones(3)]).value == 0)
    assert np.isnan(unsupervised_ranking([code], [np.ones(3)]).value).all()
    assert np.isnan(unsupervised_ranking([code, other], [np.full(3, np.nan)] * 2).value).all()  # points have no rate


def test_agreement_is_the_papers_formula():
    random = np.random.RandomState(3)
    one = random.randn(1000, 2)
    other = one @ np.array([[1.0, 0.5], [0.0, 1.0]]) + 0.5 * random.randn(1000, 2)
    r = np.abs(scipy.stats.spearmanr(one, other).statistic[:2, 2:])
    expected = sum(r[:, b].max() ** 2 / r[:, b].sum() + r[b].max() ** 2 / r[b].sum() for b in range(2)) / 4
    np.testing.assert_allclose(unsupervised_ranking([one, other], [np.ones(2)] * 2).value, expected, rtol=1e-6)


def test_a_model_is_scored_where_the_others_predict_it():
    """By the Lasso, which is not symmetric: scikit-learn's own, of each latent of model i from all those of model j."""
    random = np.random.RandomState(4)
    one = random.randn(3000, 3)
    other = np.stack([one[:, 0] + one[:, 1], one[:, 2] + 0.8 * random.randn(3000)], axis=1)
    standard = [(code - code.mean(0)) / code.std(0) for code in (one, other)]

    def of(i, j):
        r = np.abs([Lasso(alpha=0.1).fit(standard[j], target).coef_ for target in standard[i].T])
        return 0.5 * sum(np.mean(r.max(axis) ** 2 / r.sum(axis)) for axis in (0, 1))

    found = unsupervised_ranking([one, other], [np.ones(3), np.ones(2)], similarity="lasso").value
    np.testing.assert_allclose(found, [of(0, 1), of(1, 0)], rtol=1e-6)
    assert abs(found[0] - found[1]) > 1e-3


@pytest.mark.parametrize("similarity", ["spearman", "lasso"])
@pytest.mark.parametrize("latents", [2, 3, 4, 6, 8])
def test_chance_is_the_agreement_of_random_rotations(latents, similarity):
    """0.66, 0.47, 0.38, 0.25, 0.19: fewer latents alone make models agree."""
    random, values = np.random.RandomState(0), []
    for _ in range(40):
        code = random.randn(2000, latents)
        codes = [code @ scipy.stats.ortho_group.rvs(latents, random_state=random) for _ in range(2)]
        found = unsupervised_ranking(codes, [np.ones(latents)] * 2, similarity=similarity)
        values.append(found.value[0])
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - found.chance[0]) < 4 * error + 0.01
    assert list(found.latents) == [latents] * 2


def test_each_model_counts_half_however_many_latents_it_uses():
    """One latent of one model against three of another, which split it: ½ (1/3 + mean of the three)."""
    random = np.random.RandomState(0)
    one = random.randn(4000, 1)
    three = one + 2 * random.randn(4000, 3)
    r = np.abs([scipy.stats.spearmanr(one[:, 0], column).statistic for column in three.T])
    expected = 0.5 * (r.max() ** 2 / r.sum() + np.mean(r))
    found = unsupervised_ranking([one, three], [np.ones(1), np.ones(3)])
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)


def test_another_similarity_is_refused():
    with pytest.raises(ValueError, match="similarity must be one of spearman, lasso; got 'pearson'"):
        unsupervised_ranking([], [], similarity="pearson")
