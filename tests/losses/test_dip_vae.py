"""DIP-VAE against NumPy's covariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from codes import everything, terms_of

from vae_jax import Normal, losses
from vae_jax.losses import Batch


@pytest.mark.parametrize(("covariance", "noise"), [("means", 0.0), ("codes", 1.0)])
def test_dip_is_the_distance_of_numpys_covariance_from_the_identity(key, covariance, noise):
    z, q = everything(key)
    found = losses.dip(Batch(terms_of(z, q)), off_diagonal=2.0, diagonal=3.0, covariance=covariance)
    matrix = np.cov(np.asarray(q.mean, np.float64).T, bias=True)
    matrix += noise * np.diag(np.exp(np.asarray(q.log_var, np.float64)).mean(0))
    off = matrix - np.diag(np.diag(matrix))
    expected = 10 + float(terms_of(z, q).rate.mean()) + 2 * (off**2).sum() + 3 * ((np.diag(matrix) - 1) ** 2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_dip_takes_other_libraries_posteriors_and_no_other_covariance(key):
    import numpyro.distributions as dist

    z, q = everything(key)
    theirs = Batch(terms_of(z, q)._replace(posterior=dist.Normal(q.mean, jnp.exp(0.5 * q.log_var))))
    found = losses.dip(theirs, covariance="codes")
    np.testing.assert_allclose(found, losses.dip(Batch(terms_of(z, q)), covariance="codes"), rtol=1e-5)
    with pytest.raises(ValueError, match="covariance must be one of means, codes; got 'both'"):
        losses.dip(theirs, covariance="both")


@pytest.mark.parametrize("n", [3, 5])
def test_one_log_variance_for_all_latents(key, n):
    """Normal(mean, scalar) is documented: also where the batch has as many examples as there are latents."""
    key_mean, key_scale = jax.random.split(key)
    mean, log_var = jax.random.normal(key_mean, (n, 3)), jax.random.normal(key_scale, (n,))
    spread = Normal(mean, jnp.broadcast_to(log_var[:, None], mean.shape))
    for covariance in ("means", "codes"):
        found, expected = (
            losses.dip(Batch(terms_of(mean, spread)._replace(posterior=q)), covariance=covariance)
            for q in (Normal(mean, log_var), spread)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    found, expected = (
        losses.beta_tc(Batch(terms_of(mean, spread)._replace(posterior=q), data_size=10))
        for q in (Normal(mean, log_var), spread)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_scale_that_the_batch_shares(key):
    import numpyro.distributions as dist

    mean = jax.random.normal(key, (8, 2))
    expected = losses.dip(Batch(terms_of(mean, Normal(mean, jnp.zeros((8, 2))))), covariance="codes")
    for q in (Normal(mean, 0.0), dist.Normal(mean, 1.0)):
        terms = terms_of(mean, Normal(mean, jnp.zeros((8, 2))))._replace(posterior=q)
        np.testing.assert_allclose(losses.dip(Batch(terms), covariance="codes"), expected, rtol=1e-6)
