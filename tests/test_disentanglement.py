"""Scores on codes whose score is known: perfect, empty, duplicated, crowded into one latent, rotated."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import Normal
from vae_jax.data.sprites import NAMES, SIZES
from vae_jax.data.table import Factors
from vae_jax.disentanglement import (
    SCORES,
    Representation,
    Score,
    noise,
    perfect,
    represent,
    scores,
    unsupervised_ranking,
)
from vae_jax.disentanglement.calibration import ceiling_and_chance
from vae_jax.disentanglement.information import entropies, mutual_information
from vae_jax.disentanglement.marginals import information_of_latents
from vae_jax.disentanglement.predictors import dci, weighted_purity
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.model import VAE
from vae_jax.networks import DenseDecoder, DenseEncoder
from vae_jax.training import Recipe

QUICK = [name for name in SCORES if name not in ("dci", "mig_chen")]  # minutes, on the whole grid


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
    of_crowded = dci(np.random.RandomState(0), crowded, **how)
    assert of_crowded["disentanglement"] <= 0.1 and of_crowded["completeness"] > 0.9  # each factor in one latent alone
    nothing = dci(np.random.RandomState(0), noise(names, sizes, 3), **how)
    assert nothing["disentanglement"] < 0.2 and nothing["informativeness"] < 0.45


@pytest.mark.slow
def test_chens_gap_on_the_grid_of_dsprites():
    """Quadrature over 737,280 posteriors: all of it in a perfect code, none in noise."""
    assert score("mig_chen", perfect(NAMES, SIZES)) == pytest.approx(1, abs=1e-3)
    assert abs(score("mig_chen", noise(NAMES, SIZES, 10))) < 1e-3


@pytest.mark.slow
def test_dci_on_the_grid_of_dsprites():
    found = dci(np.random.RandomState(0), perfect(NAMES, SIZES))
    assert found["disentanglement"] > 0.95


def test_scores_come_with_their_ceiling_and_chance_computed_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names, sizes = ("a", "b"), (3, 4)
    calls = []
    function = SCORES["mig"].function

    @functools.wraps(function)
    def counting(random, representation):
        calls.append(1)
        return function(random, representation)

    monkeypatch.setitem(SCORES, "mig", Score("mig", counting))
    for _ in range(2):
        found = scores(perfect(names, sizes), names=["mig", "factor_vae"])
    assert found["mig"].value == found["mig"].ceiling > 0.9 > 0.05 > found["mig"].chance
    assert found["factor_vae"].ceiling == 1.0 and found["factor_vae"].chance < 0.6  # of two factors
    assert len(calls) == 4  # the value twice, ceiling and chance once
    for kept in (tmp_path / "vae_jax").iterdir():  # what is kept is read again; what is damaged, computed again
        kept.write_text("[0.5")
    again = scores(perfect(names, sizes), names=["mig"])["mig"]
    assert (again.value, again.ceiling, again.chance) == (found["mig"].value, found["mig"].ceiling, found["mig"].chance)
    assert len(calls) == 7
    assert ceiling_and_chance("mig", names, sizes, 5, 0) != ceiling_and_chance("mig", names, sizes, 2, 0)
    assert len(calls) == 9  # noise with as many latents as the code has: five are computed, two were known
    with pytest.raises(ValueError, match="no score named 'mgi'; expected some of"):
        scores(perfect(names, sizes), names=["mgi"])


def test_a_score_without_a_source_is_calibrated_anew(monkeypatch, tmp_path):
    """As one registered in a notebook."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    function = eval("lambda random, representation: 0.5")
    function.__module__ = "__main__"
    monkeypatch.setitem(SCORES, "half", Score("half", function))
    monkeypatch.setattr("vae_jax.disentanglement.calibration.inspect.getsource", raise_type_error)
    assert scores(perfect(("a",), (3,)), names=["half"])["half"].ceiling == 0.5
    assert not [*tmp_path.iterdir()]


def raise_type_error(module):
    raise TypeError(module)


def test_codes_of_a_model_are_those_of_its_encoder(key):
    """On a grid with two images of each combination, of which either may stand for it."""
    model = VAE(DenseEncoder(2, (8,)), DenseDecoder((4, 4, 1), (8,)))
    recipe = Recipe(model=model)
    params = model.init(jax.random.clone(key), jnp.zeros((4, 4, 1)))
    x = np.asarray(255 * jax.random.bernoulli(key, 0.5, (12, 4, 4, 1)), np.uint8)
    found = represent(recipe, params, Factors(("a", "b"), (3, 2), lambda start, stop: x[start:stop], copies=2))
    expected = jax.vmap(lambda x: model.encode(params, x))(x / np.float32(255))
    np.testing.assert_allclose(found.posterior.mean, expected.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.posterior.log_var, expected.log_var, rtol=1e-4, atol=1e-5)
    wanted = np.array([[0, 1]] * 20 + [[2, 0]] * 20)
    codes = np.asarray(expected.mean).reshape(6, 2, 2)
    drawn = found.codes(wanted)
    np.testing.assert_array_equal(drawn, found.codes(wanted))
    for rows, place in ((slice(0, 20), 1), (slice(20, 40), 4)):
        of_copies = np.abs(drawn[rows, None] - codes[place][None]).max(axis=-1) < 1e-4
        assert of_copies.any(axis=1).all() and of_copies.any(axis=0).all()


def test_labels_are_not_for_scores(key):
    recipe = Recipe(model=VAE(DenseEncoder(2), DenseDecoder((4, 4, 1))), loss=LOSSES["cvae"])
    with pytest.raises(InputError, match="scores need codes of images alone"):
        represent(recipe, {}, Factors(("a",), (2,), lambda start, stop: np.zeros((2, 4, 4, 1))))


def chen_by_sampling(posterior: Normal, sizes: tuple[int, ...], samples: int) -> np.ndarray:
    """The paper's own estimator: entropies from sampled codes, `[latent, factors]`."""
    random, mean = np.random.RandomState(0), np.asarray(posterior.mean, np.float64)
    scale = np.exp(0.5 * np.asarray(posterior.log_var, np.float64))
    values = np.indices(sizes).reshape(len(sizes), -1)

    def entropy(rows):
        drawn = rows[random.randint(0, len(rows), samples)]
        z = mean[drawn] + scale[drawn] * random.randn(samples, mean.shape[1])
        each = scipy.stats.norm.logpdf(z[:, None], mean[rows], scale[rows])
        return -(scipy.special.logsumexp(each, axis=1) - np.log(len(rows))).mean(axis=0)

    whole = entropy(np.arange(len(mean)))
    conditional = [
        np.mean([entropy(np.flatnonzero(values[k] == value)) for value in range(size)], axis=0)
        for k, size in enumerate(sizes)
    ]
    return np.stack([whole - of_one for of_one in conditional], axis=1)


def test_information_by_quadrature_is_the_papers_by_sampling():
    names, sizes, random = ("a", "shape", "b"), (3, 2, 4), np.random.RandomState(1)
    a, shape, b = np.indices(sizes).reshape(3, -1)
    means = np.stack([a + 0.3 * b, b - 1.0 * shape, 0 * a], axis=1) + 0.1 * random.randn(24, 3)
    posterior = Normal(means.astype(np.float32), (0.5 * random.randn(24, 3) - 2).astype(np.float32))
    found = information_of_latents(posterior, sizes)
    np.testing.assert_allclose(found, chen_by_sampling(posterior, sizes, 20_000), atol=0.02)
    ordered = np.sort(found, axis=0)
    expected = np.mean([(ordered[-1, k] - ordered[-2, k]) / np.log(sizes[k]) for k in (0, 2)])  # not the shape
    assert score("mig_chen", Representation(names, sizes, lambda f: f, posterior)) == pytest.approx(expected)
    assert np.isnan(score("mig_chen", Representation(names, sizes, lambda f: f)))


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


def test_scores_say_what_they_are():
    for entry in SCORES.values():
        assert 20 < len(entry.summary) < 140
