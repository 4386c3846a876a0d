"""The latent space against what is known: an aggregate that is the prior, one off it, and codes in two clusters."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from recipes import DATA, initial, recipe_of

from vae_jax import Delta, Normal
from vae_jax.evaluation import aggregate_posterior, encode_all, fit_code_mixture, prior_match, prior_of
from vae_jax.evaluation.codes import _compare, critical_value


def test_aggregate_of_standard_normals_matches_the_prior(key):
    """Posteriors N(m, 1 − s²) with m ~ N(0, s²) add up to N(0, 1) exactly."""
    means = np.random.RandomState(0).randn(5000, 2) * 0.8
    means = (means - means.mean(0)) / means.std(0) * 0.8
    match = prior_match(
        key, Normal(jnp.asarray(means, jnp.float32), jnp.full((5000, 2), jnp.log(0.36))), num_samples=500
    )
    assert match.mmd2 < match.mmd2_critical


def test_aggregate_off_the_prior_is_seen(key):
    posterior = Normal(jnp.full((500, 2), 2.0), jnp.broadcast_to(jnp.log(jnp.array([0.25, 1.0])), (500, 2)))
    match = prior_match(key, posterior, num_samples=300)
    assert match.mmd2 > 10 * match.mmd2_critical
    point = prior_match(jax.random.key(1), Delta(jnp.full((500, 2), 2.0)), num_samples=300)
    assert point.mmd2 > 10 * point.mmd2_critical


def test_the_critical_value_is_exceeded_once_in_twenty(key):
    """The interpolated 95th percentile of 40 draws would be exceeded in 7 %."""
    key_null, key_new = jax.random.split(key)
    null, new = jax.random.normal(key_null, (40_000, 39)), jax.random.normal(key_new, (40_000,))
    share = (new > jax.vmap(critical_value)(null)).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 40_000)


@pytest.mark.parametrize("prior", ["mixture", "label"])
def test_codes_are_held_against_the_models_own_prior(key, prior):
    """Codes drawn from a prior far from N(0, I) match it, and do not match N(0, I)."""
    recipe = recipe_of("cvae" if prior == "label" else "vae", prior=prior)
    params = initial(recipe, jax.random.clone(key), DATA).params
    means = {"mixture": "means", "label": "mean"}[prior]
    params["prior"]["params"][means] += 3.0 + 4.0 * jnp.arange(len(params["prior"]["params"][means]))[:, None] % 9
    own = prior_of(recipe, params, DATA)
    codes = Delta(jax.vmap(own)(jax.random.split(jax.random.key(5), 500)))
    match = prior_match(jax.random.clone(key), codes, prior=own, num_samples=300)
    assert match.mmd2 < 2 * match.mmd2_critical
    other = prior_match(key, codes, num_samples=300)
    assert other.mmd2 > 10 * other.mmd2_critical
    assert prior_of(recipe_of("vae"), {}, DATA) is None and prior_of(recipe_of("ae"), {}, DATA) is None


class Shared(nn.Module):
    """An encoder with one variance for all latents."""

    latent: int = 2

    @nn.compact
    def __call__(self, x):
        return Normal(nn.Dense(2)(jnp.ravel(x)), -1.0)


def test_one_log_variance_for_all_latents_is_each_latents_own(key):
    recipe = recipe_of("vae")
    recipe = replace(recipe, model=replace(recipe.model, encoder=Shared()))
    params = initial(recipe, jax.random.clone(key), DATA).params
    posterior = encode_all(recipe, params, key, DATA).posterior
    assert posterior.mean.shape == posterior.log_var.shape == (16, 2)
    with pytest.raises(ValueError, match=r"of shape \[N, latent\]; got \(16, 2\) and \(16,\)"):
        aggregate_posterior(jax.random.key(0), posterior._replace(log_var=posterior.log_var[:, 0]))


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


@pytest.mark.parametrize("different", [1, 3])
def test_a_mixture_is_fitted_to_codes_of_which_few_differ(different):
    """As a codebook's are; in float32 scikit-learn finds negative variances."""
    few = 7 + np.random.RandomState(0).randn(different, 3).astype(np.float32)
    mixture = fit_code_mixture(few[np.arange(300) % different], components=20)
    assert mixture.means.shape == (different, 3)
    np.testing.assert_allclose(np.sort(mixture.means[:, 0]), np.sort(few[:, 0]), atol=1e-3)


@pytest.mark.parametrize(("n", "codes"), [(100, "points"), (100, "densities"), (359, "points"), (3000, "points")])
def test_codes_that_are_the_prior_exceed_the_critical_value_in_one_case_of_twenty(n, codes):
    """Drawn with replacement, nine of ten did: an x that comes twice looks like a cluster."""
    trials = 200 if n < 1000 else 60

    def one(key):
        key_codes, key_match = jax.random.split(key)
        mean = jax.random.normal(key_codes, (n, 5))
        posterior = Delta(mean)
        if codes == "densities":
            posterior = Normal(jnp.sqrt(0.5) * mean, jnp.full(mean.shape, jnp.log(0.5)))
        statistic, critical = _compare(posterior, key_match, None, min(n, 200), 39)
        return statistic > critical

    exceeded = np.mean([bool(one(key)) for key in jax.random.split(jax.random.key(5), trials)])
    assert abs(exceeded - 0.05) < 4 * np.sqrt(0.05 * 0.95 / trials)
    match = prior_match(jax.random.key(6), Delta(jnp.zeros((50, 2))))
    assert match.samples == 50
