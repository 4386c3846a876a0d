"""The estimator, held against scikit-learn's own checks, SciPy's density and its promises."""

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import vae_jax

SMALL: dict[str, Any] = {"latent": 2, "hidden": (8,), "max_steps": 60, "random_state": 0}
EXPLAINED = {"check_array_api_input"}  # needs SCIPY_ARRAY_API in the environment; the input is NumPy's here
ROWS = np.random.RandomState(0).randn(300, 4) * [1.0, 30.0, 0.1, 5.0] + [0.0, 1000.0, -2.0, 7.0]


@pytest.fixture(scope="module")
def fitted():
    return vae_jax.VariationalAutoencoder(**SMALL).fit(ROWS)


@pytest.mark.slow
def test_scikit_learns_own_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = check_estimator(vae_jax.VariationalAutoencoder(**SMALL), on_skip=None, on_fail=None)
    assert len(found) > 40
    wrong = {one["check_name"]: one["exception"] for one in found if one["status"] not in ("passed", "skipped")}
    assert not wrong
    assert {one["check_name"] for one in found if one["status"] == "skipped"} <= EXPLAINED


def test_it_goes_there_and_back_in_the_units_of_the_data(fitted):
    codes = fitted.transform(ROWS)
    again = fitted.inverse_transform(codes)
    assert codes.shape == (300, 2) and codes.dtype == again.dtype == np.float64
    assert np.abs(again.mean(0) - ROWS.mean(0)).max() < ROWS.std(0).max()
    drawn = fitted.sample(2000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), ROWS.mean(0), atol=0.4 * ROWS.std(0).max())
    np.testing.assert_allclose(drawn.std(0) / ROWS.std(0), 1, atol=0.5)
    np.testing.assert_array_equal(fitted.sample(3, random_state=0), drawn[:3])


def test_one_row_has_the_numbers_that_it_has_among_many(fitted):
    whole = fitted.transform(ROWS), fitted.score_samples(ROWS)
    for index in (0, 7, 299):
        np.testing.assert_array_equal(fitted.transform(ROWS[index : index + 1])[0], whole[0][index])
        np.testing.assert_array_equal(fitted.score_samples(ROWS[index : index + 1])[0], whole[1][index])
    assert fitted.score(ROWS) == pytest.approx(whole[1].mean())


def test_it_is_cloned_and_pickled_to_the_bit(fitted):
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.transform(ROWS), fitted.transform(ROWS))
    np.testing.assert_array_equal(other.score_samples(ROWS), fitted.score_samples(ROWS))
    again = clone(fitted).fit(ROWS)
    np.testing.assert_array_equal(again.transform(ROWS), fitted.transform(ROWS))
    assert not hasattr(clone(fitted), "trained_") and pickle.loads(pickle.dumps(clone(fitted))).latent == 2


def test_names_of_columns_go_through():
    frame = pd.DataFrame(ROWS, columns=list("abcd"))
    model = vae_jax.VariationalAutoencoder(**SMALL).set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    assert list(codes.columns) == ["variationalautoencoder0", "variationalautoencoder1"]
    assert model.trained_.description.feature_names == ("a", "b", "c", "d")
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[["b", "a", "c", "d"]])


def test_it_goes_through_pipelines_and_searches():
    x, y = load_breast_cancer(return_X_y=True)
    x, y = x[::3], y[::3]
    pipeline = make_pipeline(
        vae_jax.VariationalAutoencoder(latent=4, max_steps=300, random_state=0), LogisticRegression()
    )
    assert cross_val_score(pipeline, x, y, cv=2).mean() > 0.85
    search = GridSearchCV(vae_jax.VariationalAutoencoder(**SMALL), {"learning_rate": [1e-6, 1e-2]}, cv=2).fit(ROWS)
    assert search.best_params_["learning_rate"] == 1e-2


@pytest.mark.slow
def test_a_search_over_beta_runs_in_two_processes():
    model = vae_jax.VariationalAutoencoder(**{**SMALL, "max_steps": 1000})
    search = GridSearchCV(model, {"beta": [1.0, 100.0]}, cv=2, n_jobs=2).fit(load_breast_cancer().data)
    assert search.best_params_["beta"] == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"latent": 0}, "latent"),
        ({"loss": "veo"}, "veo"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"loss": "cvae"}, "labels"),
    ],
)
def test_parameters_are_checked_when_fitted(change, said):
    with pytest.raises(ValueError, match=said):
        vae_jax.VariationalAutoencoder(**{**SMALL, **change}).fit(ROWS)


def exact(model: vae_jax.Trained, x: np.ndarray) -> np.ndarray:
    """SciPy's log-density of the linear-Gaussian model with these weights, in the units of the data."""
    zero = np.asarray(model.decode(np.zeros((1, model.latent))))[0]
    loadings = np.stack([np.asarray(model.decode(one[None]))[0] - zero for one in np.eye(model.latent)], 1)
    likelihood: Any = model.model.decode(model.params, np.zeros(model.latent, np.float32))
    units: Any = model.description.units
    deviation = np.exp(0.5 * float(np.asarray(likelihood.log_var).ravel()[0])) * units.scale
    return multivariate_normal(zero, loadings @ loadings.T + np.diag(deviation**2)).logpdf(x)


def test_scores_are_the_exact_density_of_a_linear_model():
    """In raw units, within three standard errors; and a column in other units changes them by the logarithm alone."""
    random = np.random.RandomState(0)
    loadings = random.randn(5, 2) * np.array([1, 20, 3, 0.1, 50])[:, None]
    x = random.randn(500, 2) @ loadings.T + [5, 100, -3, 2, 7] + random.randn(500, 5) * [0.5, 5, 1, 0.05, 10]
    how: dict[str, Any] = {"latent": 2, "model": "linear", "epochs": 600, "progress": False}
    model = vae_jax.fit(x, **how)
    found = model.score(x, num_samples=2000)
    assert np.all(np.abs(found.value - exact(model, x)) < 3 * found.error + 1e-4) and found.error.max() < 0.2
    bound = model.score(x)
    assert np.all(bound.value < exact(model, x) + 3 * bound.error + 1e-3) and "ELBO" in bound.estimator
    x[:, 3] *= 1024
    other = vae_jax.fit(x, **how).score(x, num_samples=2000)
    np.testing.assert_allclose(found.value - other.value, np.log(1024), rtol=0, atol=1e-9)
