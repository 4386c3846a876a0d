"""The aggregate posterior against enumeration in float64, and the minibatch estimates that it replaces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import Delta, Normal
from vae_jax.evaluation import aggregate, aggregate_posterior, minibatch_estimates
from vae_jax.keys import use

LATENT = 3


def posteriors(n: int, spread: float = 1.0) -> Normal:
    random = np.random.RandomState(n)
    means = spread * random.randn(n, LATENT) @ np.array([[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]])
    return Normal(jnp.asarray(means, jnp.float32), jnp.asarray(0.5 * random.randn(n, LATENT) - 2, jnp.float32))


def enumerated(q: Normal, key) -> tuple[float, float, float]:
    """The three terms of the codes that `aggregate_posterior` draws when it takes all, pair by pair in float64."""
    key_rows, key_noise = jax.random.split(use(key, "aggregate posterior"))
    n = len(q.mean)
    rows = np.asarray(jax.random.permutation(key_rows, n))
    mean, scale = np.asarray(q.mean, np.float64), np.exp(0.5 * np.asarray(q.log_var, np.float64))
    z = mean[rows] + scale[rows] * np.asarray(jax.random.normal(key_noise, (n, LATENT)), np.float64)
    pairs = scipy.stats.norm.logpdf(z[:, None], mean[None], scale[None])
    own = pairs[np.arange(n), rows].sum(axis=1)
    joint = scipy.special.logsumexp(pairs.sum(axis=2), axis=1) - np.log(n)
    marginals = scipy.special.logsumexp(pairs, axis=1) - np.log(n)
    prior = scipy.stats.norm.logpdf(z)
    return (own - joint).mean(), (joint - marginals.sum(1)).mean(), (marginals - prior).sum(1).mean()


@pytest.mark.parametrize(("rows", "columns"), [(64, 2048), (7, 16)])
def test_the_terms_are_those_of_enumeration(key, monkeypatch, rows, columns):
    """Also in chunks that do not divide."""
    monkeypatch.setattr(aggregate, "ROWS", rows)
    monkeypatch.setattr(aggregate, "COLUMNS", columns)
    jax.clear_caches()
    q = posteriors(100)
    found = aggregate_posterior(jax.random.clone(key), q, num_samples=1000)
    expected = enumerated(q, key)
    terms = found.mutual_information, found.total_correlation, found.dimension_wise_kl
    np.testing.assert_allclose([mean for mean, _ in terms], expected, atol=1e-4)
    np.testing.assert_allclose(sum(mean for mean, _ in terms), found.rate[0], atol=1e-4)
    np.testing.assert_allclose(found.kl_per_latent.sum(), found.dimension_wise_kl[0], atol=1e-6)
    assert (found.samples, found.data_size) == (100, 100)


def test_information_is_at_most_the_logarithm_of_the_data(key):
    for spread in (0.0, 1.0, 1000.0):
        found = aggregate_posterior(jax.random.clone(key), posteriors(500, spread))
        assert -1e-5 <= found.mutual_information[0] <= np.log(500) + 1e-5
    assert found.mutual_information[0] == pytest.approx(np.log(500), abs=1e-4)


def test_fewer_codes_agree_within_their_error(key):
    q = posteriors(4000)
    whole, part = (aggregate_posterior(jax.random.clone(key), q, num_samples=n) for n in (4000, 500))
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl", "rate"):
        (exact, _), (mean, error) = getattr(whole, name), getattr(part, name)
        assert abs(mean - exact) < 4 * error < 0.5


def test_minibatch_estimates_miss_what_the_full_data_give(key):
    """Why they are never reported: with 64 of 4,000 examples neither is near, while the full-data terms are exact."""
    q = posteriors(4000, spread=3.0)
    truth = aggregate_posterior(jax.random.clone(key), q)
    for sampling in ("stratified", "weighted"):
        found = minibatch_estimates(jax.random.clone(key), q, sampling=sampling)
        miss = found["mutual_information"][0] - truth.mutual_information[0]
        assert abs(miss) > 10 * (truth.mutual_information[1] + found["mutual_information"][1])


def test_minibatches_of_all_the_data_are_the_data(key):
    """M = N: the stratified weights are exact."""
    q = posteriors(64)
    truth = aggregate_posterior(jax.random.clone(key), q)
    found = minibatch_estimates(jax.random.clone(key), q, batch=64)
    for name, (mean, error) in found.items():
        exact, of_one = getattr(truth, name)
        assert abs(mean - exact) < 4 * (error + of_one)
        assert error < 0.02


def test_minibatch_estimates_are_of_random_batches_of_the_whole_set(key):
    """Posteriors far apart tell their x for certain: I = ln N, stratified; ln N + ln M with all weights 1/(N·M)."""
    q = Normal(50.0 * jnp.arange(500.0)[:, None], jnp.zeros((500, 1)))
    for sampling, expected in (("stratified", np.log(500)), ("weighted", np.log(500) + np.log(10))):
        found = minibatch_estimates(jax.random.clone(key), q, batch=10, batches=5, sampling=sampling)
        assert found["mutual_information"][0] == pytest.approx(expected, abs=1e-4)
    alike = q._replace(mean=jnp.where(jnp.arange(500)[:, None] < 10, 0.0, q.mean))
    found = minibatch_estimates(jax.random.clone(key), alike, batch=10, batches=5)
    assert found["mutual_information"][0] > 0.9 * np.log(500)  # not of the first ten, which tell nothing


def test_a_point_has_no_density(key):
    with pytest.raises(ValueError, match="needs normal posteriors; got Delta"):
        aggregate_posterior(key, Delta(jnp.zeros((5, 2))))


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 8.0, 100.0])
def test_the_divergence_of_each_latent_is_right_at_any_width(key, scale):
    """One posterior for all x is the aggregate itself: KL(N(0, s²) ‖ N(0, 1)), which a grid from −10 to 10 misses."""
    q = Normal(jnp.zeros((400, 2)), jnp.full((400, 2), 2 * jnp.log(scale)))
    found = aggregate_posterior(key, q, num_samples=400)
    expected = 0.5 * (scale**2 - 1) - np.log(scale)
    error = abs(scale**2 - 1) / np.sqrt(2 * 400) + 1e-4  # of ½ (s² − 1) ε², over 400 codes
    np.testing.assert_allclose(found.kl_per_latent, expected, atol=5 * error)
    assert np.all(np.abs(found.kl_per_latent - expected) < 5 * found.kl_per_latent_error + 1e-4)
