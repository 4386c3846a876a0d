"""What a likelihood makes of a decoder's numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from vae_jax.models import GaussianLikelihood
from vae_jax.models.likelihoods import SPEED, NegativeBinomialLikelihood


def test_gaussian_scale_is_in_the_likelihood():
    p = GaussianLikelihood(scale=0.5).apply({}, jnp.zeros(2))
    np.testing.assert_allclose(p.log_prob(jnp.ones(2)), 2 * (-0.5 * 4 - 0.5 * np.log(2 * np.pi * 0.25)), rtol=1e-6)


def test_the_concentration_of_counts_is_learned_for_each_number():
    """With μ = eʰ and concentration r: scipy's negative binomial of n = r, p = r/(r + μ)."""
    h, counts, moved = jnp.array([0.5, 1.5]), np.array([2.0, 7.0]), jnp.array([0.02, -0.05])
    p = lambda moved: NegativeBinomialLikelihood().apply({"params": {"log_concentration": moved}}, h).log_prob(counts)
    r, mean = np.exp(SPEED * np.asarray(moved)), np.exp(h)
    np.testing.assert_allclose(p(moved), scipy.stats.nbinom.logpmf(counts, r, r / (r + mean)).sum(), rtol=1e-5)
    assert (np.abs(jax.grad(p)(moved)) > 0.1).all()
