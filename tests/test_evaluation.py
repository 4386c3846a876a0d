"""Held-out likelihood and the latent space, against models where the answer is known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vae_jax import Delta, Normal
from vae_jax.data import Examples
from vae_jax.evaluation import fit_code_mixture, log_likelihood, prior_match
from vae_jax.linear_gaussian import LinearGaussian
from vae_jax.losses import LOSSES, mmd2
from vae_jax.model import VAE
from vae_jax.networks import DenseDecoder, DenseEncoder
from vae_jax.training import Recipe

MODEL = LinearGaussian(jnp.array([[1.0, 0.2], [-0.5, 0.7], [0.3, 0.1]]), jnp.array([0.1, 0.2, 0.3]), jnp.array(0.4))


class Fixed(nn.Module):
    """A Gaussian likelihood of the model's σ²."""

    @nn.compact
    def __call__(self, h):
        return Normal(h, jnp.full_like(h, jnp.log(0.4)))


def linear_recipe(spread: float) -> tuple[Recipe, dict]:
    """The model as a VAE whose q has the posterior's mean and a diagonal variance, `spread` times the posterior's."""
    _, covariance = MODEL.posterior(jnp.zeros(3))
    gain = covariance @ MODEL.weights.T / MODEL.variance
    kernel = jnp.concatenate([gain.T, jnp.zeros((3, 2))], axis=1)
    bias = jnp.concatenate([-gain @ MODEL.bias, jnp.log(spread * jnp.diag(covariance))])
    params = {
        "encoder": {"params": {"posterior": {"kernel": kernel, "bias": bias}}},
        "decoder": {"params": {"likelihood": {"kernel": MODEL.weights.T, "bias": MODEL.bias}}},
        "likelihood": {},
    }
    return Recipe(model=VAE(DenseEncoder(2, ()), DenseDecoder((3,), ()), Fixed())), params


@pytest.fixture
def x() -> np.ndarray:
    return np.random.RandomState(0).randn(200, 3).astype(np.float32)


@pytest.mark.parametrize("num_samples", [1, 10, 100, 1000])
def test_importance_sampling_finds_log_p(x, num_samples, key):
    recipe, params = linear_recipe(spread=1.5)
    exact = np.asarray(jax.vmap(MODEL.log_marginal)(x))
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=num_samples, chunk=min(num_samples, 50))
    gap = found.per_example - exact
    assert found.samples == num_samples
    assert found.error == pytest.approx(exact.std(ddof=1) / np.sqrt(200), rel=0.2)
    if num_samples >= 100:
        assert abs(gap.mean()) < 3 * gap.std() / np.sqrt(200) + 2e-3
        assert 0.5 * num_samples < found.effective_samples <= num_samples
    else:  # fewer samples: a lower bound in expectation
        assert gap.mean() < 0.01


def test_the_bound_rises_with_samples(x, key):
    recipe, params = linear_recipe(spread=3.0)
    keys = jax.random.split(key, 5)
    bounds = [
        log_likelihood(recipe, params, k, Examples(x), num_samples=n, chunk=n).log_likelihood
        for k, n in zip(keys, (1, 2, 5, 20, 100), strict=True)
    ]
    assert np.all(np.diff(bounds) > 0)


def test_points_have_no_density(x, key):
    recipe, params = linear_recipe(spread=1.0)
    recipe = Recipe(model=recipe.model, loss=LOSSES["ae"])
    with pytest.raises(ValueError, match="needs a density"):
        log_likelihood(recipe, params, key, Examples(x))


def test_aggregate_of_standard_normals_matches_the_prior(key):
    """Posteriors N(m, 1 − s²) with m ~ N(0, s²) add up to N(0, 1) exactly."""
    means = np.random.RandomState(0).randn(5000, 2) * 0.8
    means = (means - means.mean(0)) / means.std(0) * 0.8
    match = prior_match(Normal(jnp.asarray(means, jnp.float32), jnp.full((5000, 2), jnp.log(0.36))), key)
    assert np.all(np.abs(match.kl_per_latent) < 3e-3)
    assert match.mmd2 < match.mmd2_chance


def test_aggregate_off_the_prior_is_seen(key):
    posterior = Normal(jnp.full((500, 2), 2.0), jnp.broadcast_to(jnp.log(jnp.array([0.25, 1.0])), (500, 2)))
    match = prior_match(posterior, key)
    expected = 0.5 * (4 + 0.25 - np.log(0.25) - 1), 0.5 * 4
    np.testing.assert_allclose(match.kl_per_latent, expected, rtol=1e-3)
    assert match.mmd2 > 10 * match.mmd2_chance
    point = prior_match(Delta(jnp.full((500, 2), 2.0)), jax.random.key(1))
    assert np.isnan(point.kl_per_latent).all() and point.mmd2 > 10 * point.mmd2_chance


def test_mmd_is_the_kernel_mean(key):
    a, b = jax.random.normal(key, (2, 30, 3))
    kernel = lambda u, v: np.exp(-np.sum((u - v) ** 2) / 6)
    within = sum(np.mean([kernel(u[i], u[j]) for i in range(30) for j in range(30) if i != j]) for u in (a, b))
    across = np.mean([kernel(u, v) for u in a for v in b])
    np.testing.assert_allclose(mmd2(a, b), within - 2 * across, atol=1e-5)


def test_code_mixture_finds_two_clusters(key):
    codes = np.random.RandomState(0).randn(2000, 2) * 0.3 + np.where(np.arange(2000)[:, None] % 4 == 0, 3.0, -1.0)
    mixture = fit_code_mixture(codes, components=2)
    order = np.argsort(mixture.means[:, 0])
    np.testing.assert_allclose(np.asarray(mixture.means)[order], [[-1, -1], [3, 3]], atol=0.05)
    np.testing.assert_allclose(jax.nn.softmax(mixture.logits)[order], [0.75, 0.25], atol=0.01)
    samples = jax.vmap(mixture.sample)(jax.random.split(key, 4000))
    np.testing.assert_allclose(samples.mean(0), mixture.mean, atol=0.15)
    expected = 0.75 * scipy.stats.multivariate_normal([-1, -1], 0.09).pdf([-1, -1])
    np.testing.assert_allclose(np.exp(mixture.log_prob(jnp.array([-1.0, -1.0]))), expected, rtol=0.1)
