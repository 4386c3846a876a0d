"""Scores on codes whose score is known: perfect, empty, duplicated, crowded into one latent, rotated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vae_jax.data.sprites import NAMES, SIZES, render_all
from vae_jax.disentanglement import SCORES, Representation, Score, noise, of_sprites, perfect, scores
from vae_jax.disentanglement.information import entropies, mutual_information
from vae_jax.disentanglement.predictors import dci, weighted_purity
from vae_jax.model import VAE
from vae_jax.networks import DenseDecoder, DenseEncoder
from vae_jax.training import Recipe

QUICK = [name for name in SCORES if name != "dci"]  # boosting takes minutes on the whole grid


def score(name: str, representation: Representation, seed: int = 0) -> float:
    return SCORES[name].function(np.random.RandomState(seed), representation)


def of(codes) -> Representation:
    return Representation(NAMES, SIZES, codes)


@pytest.mark.parametrize(
    ("name", "ceiling", "chance"),
    [
        ("mig", 0.896, 0.0),
        ("sap", 0.245, 0.0),
        ("modularity", 1.0, None),
        ("beta_vae", 1.0, 0.2),
        ("factor_vae", 1.0, 0.2),
    ],
)
def test_ceiling_and_chance_on_the_grid_of_dsprites(name, ceiling, chance):
    """MIG 0.896 and SAP about 0.24, of a perfect code; noise near 0, or a fifth where five factors are named."""
    assert score(name, perfect(NAMES, SIZES)) == pytest.approx(ceiling, abs=5e-3)
    if chance is not None:
        assert score(name, noise(NAMES, SIZES, 10)) == pytest.approx(chance, abs=0.03)


@pytest.mark.parametrize("name", QUICK)
def test_a_code_that_says_nothing_scores_like_chance(name):
    zeros = of(lambda factors: np.zeros((len(factors), 10)))
    assert score(name, zeros) <= 0.25


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


def test_mutual_information_is_the_entropy_of_a_code_that_tells_its_factor():
    random = np.random.RandomState(0)
    factors = np.stack([random.randint(0, 4, 20_000), random.randint(0, 7, 20_000)], axis=1)
    found = mutual_information(factors * 1.0, factors)
    np.testing.assert_allclose(np.diag(found), entropies(factors), rtol=1e-6)
    np.testing.assert_allclose(entropies(factors), [np.log(4), np.log(7)], rtol=1e-3)
    off = found[0, 1] + found[1, 0]
    assert 0 <= off < 2e-3


def test_a_transposed_matrix_is_caught():
    """Reading codes along the wrong axis is a public bug that turned 0.958 into 0.218."""
    factors, codes = perfect(NAMES, SIZES).sample(np.random.RandomState(0), 100)
    with pytest.raises(ValueError, match=r"expected codes \[n, latent\] and factors \[n, factors\] of the same n"):
        mutual_information(codes.T, factors)
    random = np.random.RandomState(1)
    shuffled = codes.T.reshape(codes.shape)  # the shape is right and the rows are not
    assert np.max(mutual_information(shuffled[random.permutation(100)], factors)) < np.max(
        mutual_information(codes, factors)
    )


def test_rows_are_normalised_before_their_entropy():
    """One latent that holds every factor scores 0, not 1: another library forgot the normalisation."""
    crowded = np.zeros((4, 5))
    crowded[0] = 1.0
    assert weighted_purity(crowded) == pytest.approx(0, abs=1e-12)
    assert weighted_purity(np.eye(5)) == pytest.approx(1)
    assert weighted_purity(np.zeros((3, 5))) == 0
    mixed = np.array([[3.0, 1.0], [0.0, 4.0]])
    expected = 0.5 * (1 - scipy.stats.entropy([0.75, 0.25], base=2)) + 0.5 * 1
    assert weighted_purity(mixed) == pytest.approx(expected)


def test_dci_of_a_perfect_a_crowded_and_an_empty_code():
    names, sizes = ("a", "b", "c"), (3, 4, 4)
    how = {"train": 600, "test": 300}
    found = dci(np.random.RandomState(0), perfect(names, sizes), **how)
    assert min(found.values()) > 0.95
    crowded = Representation(
        names, sizes, lambda f: np.stack([f[:, 0] * 16 + f[:, 1] * 4 + f[:, 2], np.zeros(len(f))], axis=1)
    )
    assert dci(np.random.RandomState(0), crowded, **how)["disentanglement"] <= 0.1
    nothing = dci(np.random.RandomState(0), noise(names, sizes, 3), **how)
    assert nothing["disentanglement"] < 0.2 and nothing["informativeness"] < 0.45


@pytest.mark.slow
def test_dci_on_the_grid_of_dsprites():
    found = dci(np.random.RandomState(0), perfect(NAMES, SIZES))
    assert found["disentanglement"] > 0.95


def test_scores_come_with_their_ceiling_and_chance_computed_once(monkeypatch):
    names, sizes = ("a", "b"), (3, 4)
    calls = []
    function = SCORES["mig"].function
    counted = Score("mig", lambda random, representation: calls.append(1) or function(random, representation))
    monkeypatch.setitem(SCORES, "mig", counted)
    for _ in range(2):
        found = scores(perfect(names, sizes), latent=2, names=["mig", "factor_vae"])
    assert found["mig"].value == found["mig"].ceiling > 0.9 > 0.05 > found["mig"].chance
    assert found["factor_vae"].ceiling == 1.0 and found["factor_vae"].chance < 0.6  # of two factors
    assert len(calls) == 4  # the value twice, ceiling and chance once
    with pytest.raises(ValueError, match="no score named 'mgi'; expected some of"):
        scores(perfect(names, sizes), latent=2, names=["mgi"])


def test_codes_of_a_model_are_those_of_its_encoder_on_the_rendered_image(key):
    model = VAE(DenseEncoder(2, (8,)), DenseDecoder((16, 16, 1), (8,)))
    recipe = Recipe(model=model)
    params = model.init(key, jnp.zeros((16, 16, 1)))
    factors = np.array([[0, 1, 2, 3, 4], [2, 5, 39, 31, 31], [1, 0, 0, 16, 0]])
    images = render_all(jnp.asarray(factors), size=16) / 255.0
    expected = jax.vmap(lambda x: model.encode(params, x).mean)(images)
    found = of_sprites(recipe, params, size=16).codes(factors)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_scores_say_what_they_are():
    for entry in SCORES.values():
        assert 20 < len(entry.summary) < 140
