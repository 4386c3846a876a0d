"""The mutual information of binned codes."""

import numpy as np
import pytest

from vae_jax.data.sources.sprites import NAMES, SIZES
from vae_jax.evaluation.metrics import noise, perfect
from vae_jax.evaluation.metrics.information import entropies, mutual_information
from vae_jax.plots import measured
from vae_jax.trained import Evaluation


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


def test_the_picture_shows_no_knowledge_in_noise(monkeypatch):
    """The estimate alone says 0.037 nats of 20 bins and 40 values: drawn is what is above that."""
    drawn = []
    monkeypatch.setattr(measured.charts, "matrix", lambda values, path, **how: drawn.append(values))
    code = noise(NAMES, SIZES, 4)
    evaluation = Evaluation({"test": {"rate_per_latent": [1.0] * 4}}, code)
    measured.draw_factor_information(None, None, evaluation)
    assert mutual_information(*code.sample(np.random.RandomState(0), 10_000)[::-1])[:, 2].mean() > 0.03
    assert np.all(drawn[0] >= 0) and drawn[0].mean() < 2e-3
    evaluation = Evaluation({"test": {"rate_per_latent": [1.0] * 5}}, perfect(NAMES, SIZES))
    measured.draw_factor_information(None, None, evaluation)
    np.testing.assert_allclose(np.diag(drawn[1])[[0, 1]], np.log([3, 6]), rtol=5e-3)
