"""The latent space against what is known: an aggregate that is the prior, one off it, and codes in two clusters."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from vae_jax import Delta, Normal
from vae_jax.evaluation import fit_code_mixture, prior_match


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
