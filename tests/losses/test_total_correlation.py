"""Aggregate densities against exact enumeration, and the losses that weigh a total correlation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from codes import N, everything, terms_of

from vae_jax import Normal, losses
from vae_jax.losses import AggregateDensity, Batch, aggregate_density


def enumerated(z, q):
    """log q(z|x), log q(z) and log q(z_j) in float64, one pair of code and posterior after another."""
    z, mean, scale = (np.asarray(a, np.float64) for a in (z, q.mean, np.exp(0.5 * np.asarray(q.log_var, np.float64))))
    pairs = np.array([[scipy.stats.norm.logpdf(z[i], mean[k], scale[k]) for k in range(N)] for i in range(N)])
    joint = scipy.special.logsumexp(pairs.sum(-1), axis=1) - np.log(N)
    marginals = scipy.special.logsumexp(pairs, axis=1) - np.log(N)
    return AggregateDensity(pairs[np.arange(N), np.arange(N)].sum(-1), joint, marginals)


def test_stratified_sampling_is_exact_when_the_batch_is_the_data(key):
    z, q = everything(key)
    found, expected = aggregate_density(z, q, data_size=N), enumerated(z, q)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected)
    assert found.mutual_information.mean() <= np.log(N)
    # The three parts of log q(z|x) − log p(z) are all of it.
    log_prior = jnp.sum(jax.scipy.stats.norm.logpdf(z), axis=1)
    dimension_wise = jnp.sum(found.marginals, axis=1) - log_prior
    parts = found.mutual_information + found.total_correlation + dimension_wise
    np.testing.assert_allclose(parts, found.conditional - log_prior, rtol=1e-5)


def test_information_never_exceeds_the_logarithm_of_the_data(key):
    """Codes that tell their x for certain reach ln N; weights added once for each latent would pass it."""
    for spread in (0.0, 1.0, 100.0):
        found = aggregate_density(*everything(jax.random.clone(key), spread), data_size=N)
        assert found.mutual_information.mean() <= np.log(N) + 1e-5
    np.testing.assert_allclose(found.mutual_information, np.log(N), rtol=1e-5)


def test_stratified_weights_lie_on_the_diagonal_and_sum_to_one():
    """With posteriors all alike q(z) is that posterior, whatever the sizes; off the diagonal it comes out too large."""
    q = Normal(jnp.zeros((4, 2)), jnp.zeros((4, 2)))
    z = jnp.arange(8.0).reshape(4, 2) / 8
    found = aggregate_density(z, q, data_size=50)
    np.testing.assert_allclose(found.joint, found.conditional, rtol=1e-6)
    # Far apart, only its own posterior counts for a code, with weight 1/N.
    q = Normal(100 * jnp.arange(8.0).reshape(4, 2), jnp.zeros((4, 2)))
    found = aggregate_density(q.mean, q, data_size=50)
    np.testing.assert_allclose(found.mutual_information, np.log(50), rtol=1e-6)


def test_stratified_density_is_unbiased_over_batches(key):
    """Averaged over every batch of 3 that holds an example, its q(z) is the exact one."""
    z, q = everything(key)
    exact = np.exp(enumerated(z, q).joint[0])
    found = []
    for i in range(1, N):
        for j in range(i + 1, N):
            rows = jnp.array([0, i, j])
            batch = jax.tree.map(lambda leaf, rows=rows: leaf[rows], q)
            found.append(float(jnp.exp(aggregate_density(z[rows], batch, data_size=N).joint[0])))
    np.testing.assert_allclose(np.mean(found), exact, rtol=1e-5)


def test_weighted_sampling_is_its_formula(key):
    z, q = everything(key)
    found, exact = aggregate_density(z, q, data_size=100, sampling="weighted"), enumerated(z, q)
    np.testing.assert_allclose(found.joint, exact.joint - np.log(100), rtol=1e-4)
    np.testing.assert_allclose(found.marginals, exact.marginals - np.log(100), rtol=1e-4)


def test_other_libraries_posteriors_give_a_value_per_latent(key):
    import numpyro.distributions as dist

    z, q = everything(key)
    theirs = dist.Normal(q.mean, jnp.exp(0.5 * q.log_var))
    for a, b in zip(aggregate_density(z, q, data_size=20), aggregate_density(z, theirs, data_size=20), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"must give a log-probability per latent, \(3,\); got \(\)"):
        aggregate_density(z, dist.Normal(q.mean, jnp.ones_like(q.mean)).to_event(1), data_size=20)


def test_beta_tc_is_the_elbo_at_one_and_adds_the_total_correlation(key):
    z, q = everything(key)
    terms, exact = terms_of(z, q), enumerated(z, q)
    batch = Batch(terms, data_size=N)
    elbo = 10 + terms.rate.mean()
    assert losses.beta_tc(batch, alpha=1.0, beta=1.0, gamma=1.0) == pytest.approx(float(elbo), rel=1e-6)
    for weights in ({"beta": 6.0}, {"alpha": 0.0, "beta": 1.0}, {"alpha": 2.0, "beta": 3.0, "gamma": 0.5}):
        alpha, beta, gamma = weights.get("alpha", 1.0), weights.get("beta", 6.0), weights.get("gamma", 1.0)
        information = exact.mutual_information.mean()
        correlation = exact.total_correlation.mean()
        dimension_wise = terms.rate.mean() - information - correlation
        expected = 10 + alpha * information + beta * correlation + gamma * dimension_wise
        assert losses.beta_tc(batch, **weights) == pytest.approx(float(expected), rel=1e-4)


def test_what_cannot_be_is_refused(key):
    z, q = everything(key)
    with pytest.raises(ValueError, match="sampling must be one of stratified, weighted; got 'exact'"):
        aggregate_density(z, q, data_size=N, sampling="exact")
    with pytest.raises(ValueError, match="at least the batch of 7; got 6"):
        aggregate_density(z, q, data_size=6)
