"""What a likelihood makes of a decoder's numbers."""

import jax.numpy as jnp
import numpy as np

from vae_jax.models import GaussianLikelihood


def test_gaussian_scale_is_in_the_likelihood():
    p = GaussianLikelihood(scale=0.5).apply({}, jnp.zeros(2))
    np.testing.assert_allclose(p.log_prob(jnp.ones(2)), 2 * (-0.5 * 4 - 0.5 * np.log(2 * np.pi * 0.25)), rtol=1e-6)
