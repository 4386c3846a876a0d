"""Scores on codes whose score is known: perfect, empty, duplicated, rotated."""

import numpy as np
import pytest
import scipy.stats

from vae_jax.data.sources.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import SCORES, Representation, noise, perfect

QUICK = [name for name in SCORES if name not in ("dci", "mig_chen")]  # minutes, on the whole grid


def score(name: str, representation: Representation) -> float:
    return SCORES[name](np.random.RandomState(0), representation)[name]


def of(codes) -> Representation:
    return Representation(NAMES, SIZES, codes)


@pytest.mark.parametrize(
    ("name", "expected", "chance"),
    [
        ("mig", 0.896, 0.0),
        ("sap", 0.245, 0.0),
        ("modularity", 1.0, None),
        pytest.param("explicitness", 0.987, 0.5, marks=pytest.mark.slow),
        ("beta_vae", 1.0, 0.2),
        ("factor_vae", 1.0, 0.2),
    ],
)
def test_a_perfect_code_and_chance_on_the_grid_of_dsprites(name, expected, chance):
    """MIG 0.896 and SAP about 0.24, of a perfect code; noise near 0, or a fifth where five factors are named."""
    assert score(name, perfect(NAMES, SIZES)) == pytest.approx(expected, abs=5e-3)
    if chance is not None:
        assert score(name, noise(NAMES, SIZES, 10)) == pytest.approx(chance, abs=0.03)


@pytest.mark.parametrize("name", QUICK)
def test_a_code_that_says_nothing_scores_like_chance(name):
    zeros = of(lambda factors: np.zeros((len(factors), 10)))
    assert score(name, zeros) <= (0.5 if name == "explicitness" else 0.25)


def test_latents_that_do_not_vary_have_a_constant_classifiers_accuracy():
    """SAP's second best, in a code whose other latents are dead or missing: about one value in each factor."""
    code = perfect(NAMES, SIZES).codes
    for dead in (4, 1, 0):
        one = of(lambda f, dead=dead: np.concatenate([code(f)[:, :1], np.zeros((len(f), dead))], axis=1))
        alone = score("sap", one)
        assert alone == pytest.approx((1 - 1 / SIZES[0]) / 5, abs=0.01)


def test_a_duplicated_code_has_no_gap():
    code = perfect(NAMES, SIZES).codes
    twice = of(lambda factors: np.concatenate([code(factors), code(factors)], axis=1))
    assert score("mig", twice) <= 0.1 and score("sap", twice) <= 0.1
    assert score("factor_vae", twice) > 0.9  # it does not see the copy


def test_a_rotated_code_deceives_the_scores_of_held_factors():
    """Known of these scores: a random rotation of a perfect code still passes for disentangled."""
    code, axes = perfect(NAMES, SIZES).codes, scipy.stats.ortho_group.rvs(5, random_state=3)
    rotated = of(lambda factors: code(factors) @ axes)
    assert score("mig", rotated) < 0.2
    assert score("beta_vae", rotated) > 0.8 and score("factor_vae", rotated) > 0.5


def test_explicitness_does_not_depend_on_the_units_of_the_code():
    """A linear classifier of standardised codes, at its fit and at its test."""

    def code(factors):
        random = np.random.RandomState(1)
        return factors @ random.randn(2, 3) + random.randn(len(factors), 3)

    of_code, of_another = (
        SCORES["explicitness"](np.random.RandomState(0), Representation(("a", "b"), (3, 4), form))["explicitness"]
        for form in (code, lambda factors: 5.0 + 100.0 * code(factors))
    )
    assert 0.6 < of_code < 0.95 and of_another == pytest.approx(of_code, abs=1e-6)


def test_scores_say_what_they_are():
    for entry in SCORES.values():
        assert 20 < len(entry.summary) < 140
