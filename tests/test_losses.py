"""Losses against closed forms, quadrature and NumPyro."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions
import pytest
import scipy.integrate
import scipy.stats
from jax.test_util import check_grads

from vae_jax import Bernoulli, Normal, StandardNormal, losses


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, 0.0), (1.5, -1.0), (-0.3, 2.0), (4.0, 0.1)])
def test_kl_is_the_integral(mean, log_var):
    p, q = scipy.stats.norm(0.7, 1.3), scipy.stats.norm(mean, np.exp(log_var / 2))
    for prior, found in (
        (scipy.stats.norm(), losses.kl_standard_normal(mean, log_var)),
        (p, losses.kl_normal(mean, log_var, 0.7, 2 * np.log(1.3))),
    ):

        def integrand(z, prior=prior):
            return q.pdf(z) * (q.logpdf(z) - prior.logpdf(z))

        spread = 12 * q.std()
        expected, _ = scipy.integrate.quad(integrand, mean - spread, mean + spread)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_kl_is_numpyros(key):
    mean_q, log_var_q, mean_p, log_var_p = jax.random.normal(key, (4, 50))
    q = numpyro.distributions.Normal(mean_q, jnp.exp(0.5 * log_var_q))
    p = numpyro.distributions.Normal(mean_p, jnp.exp(0.5 * log_var_p))
    expected = numpyro.distributions.kl_divergence(q, p)
    np.testing.assert_allclose(losses.kl_normal(mean_q, log_var_q, mean_p, log_var_p), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        losses.kl_standard_normal(mean_q, log_var_q),
        losses.kl_normal(mean_q, log_var_q, jnp.zeros(50), jnp.zeros(50)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("log_var", [1e-8, -1e-6, 1e-4, -1e-4, 1e-2, 0.2, -0.3, 3.0, -20.0, 40.0, 80.0])
def test_kl_is_accurate_and_never_negative_near_zero(log_var):
    stored = float(np.float32(log_var))
    exact = 0.5 * (np.expm1(stored) - stored) if abs(stored) > 0.01 else stored**2 / 4 * (1 + stored / 3)
    found = losses.kl_standard_normal(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    assert found >= 0
    slope = jax.grad(losses.kl_standard_normal, argnums=1)(0.0, jnp.float32(log_var))
    np.testing.assert_allclose(slope, 0.5 * np.expm1(stored), rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("log_var", [-500.0, -80.0, 80.0, 88.8, 500.0])
def test_kl_is_finite_at_extremes_and_pulls_back(log_var):
    value, slope = jax.value_and_grad(losses.kl_standard_normal, argnums=1)(0.0, log_var)
    assert np.isfinite(value) and np.isfinite(slope)
    assert np.sign(slope) == np.sign(log_var)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"mean and log_var must have one shape; got \(20,\) and \(10,\)"):
        losses.kl_standard_normal(jnp.zeros(20), jnp.zeros(10))
    with pytest.raises(ValueError, match="must be a distribution over x's shape"):
        losses.negative_elbo(
            jax.random.key(0),
            jnp.zeros((4, 4)),
            lambda x: Normal(jnp.zeros(2), jnp.zeros(2)),
            lambda z: Bernoulli(jnp.zeros(16)),
        )


def test_negative_elbo_is_distortion_plus_beta_rate(key):
    x = jnp.array([1.0, 0.0, 1.0])
    encode = lambda x: Normal(x[:2], jnp.array([-1.0, 0.5]))
    decode = lambda z: Bernoulli(jnp.concatenate([z, z[:1]]))
    loss, terms = losses.negative_elbo(jax.random.clone(key), x, encode, decode, beta=4.0)
    q = numpyro.distributions.Normal(x[:2], jnp.exp(0.5 * jnp.array([-1.0, 0.5])))
    z = encode(x).sample(key)
    rate = numpyro.distributions.kl_divergence(q, numpyro.distributions.Normal(0, 1)).sum()
    likelihood = numpyro.distributions.Bernoulli(logits=jnp.concatenate([z, z[:1]]))
    np.testing.assert_allclose(terms.rate, rate, rtol=1e-6)
    np.testing.assert_allclose(terms.distortion, -likelihood.log_prob(x).sum(), rtol=1e-5)
    np.testing.assert_allclose(loss, terms.distortion + 4 * rate, rtol=1e-6)
    np.testing.assert_array_equal(terms.z, z)


def test_gradients_agree_with_finite_differences(key):
    def loss(mean, log_var, weights):
        encode = lambda x: Normal(mean, log_var)
        decode = lambda z: Bernoulli(weights @ z)
        return losses.negative_elbo(key, jnp.array([1.0, 0.0, 0.3]), encode, decode, beta=2.0)[0]

    args = jnp.array([0.3, -0.5]), jnp.array([0.2, -1.0]), jnp.arange(6.0).reshape(3, 2) / 5
    with jax.debug_key_reuse(False):
        check_grads(loss, args, 1, ["rev"], rtol=1e-2)


@pytest.mark.parametrize("split", [True, False])
def test_distributions_of_other_libraries_give_an_unbiased_estimate(key, split):
    """NumPyro's KL is not used: log q − log p at z, per latent where the distribution gives it so."""
    mean = jnp.array([1.0, -1.0])

    def encode(x):
        q = numpyro.distributions.Normal(mean, 0.5)
        return q if split else q.to_event(1)

    def decode(z):
        return numpyro.distributions.Bernoulli(logits=jnp.zeros(3))

    def one(key):
        return losses.negative_elbo(key, jnp.ones(3), encode, decode)[1]

    terms = jax.vmap(one)(jax.random.split(key, 20_000))
    exact = losses.kl_standard_normal(mean, jnp.full(2, 2 * np.log(0.5))).sum()
    assert terms.kl.shape == (20_000, 2 if split else 1)
    assert abs(terms.rate.mean() - exact) < 4 * terms.rate.std() / np.sqrt(20_000)
    np.testing.assert_allclose(terms.distortion, 3 * np.log(2), rtol=1e-6)


def test_prior_moves_the_rate(key):
    encode = lambda x: Normal(jnp.ones(2), jnp.zeros(2))
    decode = lambda z: Bernoulli(jnp.zeros(3))
    rates = [
        losses.negative_elbo(jax.random.clone(key), jnp.ones(3), encode, decode, prior=prior)[1].rate
        for prior in (None, StandardNormal(2), Normal(jnp.ones(2), jnp.zeros(2)))
    ]
    np.testing.assert_allclose(rates, [1.0, 1.0, 0.0], atol=1e-7)


# ---- each member of the family, by hand ----


def _terms(distortion, kl, z=None):
    kl = jnp.asarray(kl)
    return losses.Terms(-jnp.asarray(distortion), kl, jnp.zeros_like(kl) if z is None else jnp.asarray(z), None)


def test_capacity_is_the_distortion_at_its_target():
    terms = _terms([80.0, 90.0], [[10.0, 15.0], [20.0, 5.0]])
    assert losses.capacity(terms, gamma=1e4, capacity=25.0) == 85
    for capacity in (23.0, 27.0):
        assert losses.capacity(terms, gamma=10.0, capacity=capacity) == 105


def test_free_bits_is_the_elbo_above_the_floor_and_the_floor_below():
    terms = _terms([1.0, 3.0], [[0.5, 0.01], [0.7, 0.03]])
    np.testing.assert_allclose(losses.free_bits(terms, free_nats=0.0), 2 + 0.6 + 0.02, rtol=1e-6)
    np.testing.assert_allclose(losses.free_bits(terms, free_nats=0.1), 2 + 0.6 + 0.1, rtol=1e-6)
    slope = jax.grad(lambda kl: losses.free_bits(terms._replace(kl=kl), free_nats=0.1))(terms.kl)
    np.testing.assert_allclose(slope, [[0.5, 0], [0.5, 0]])


def test_sparse_rate_is_scipys_entropy_and_zero_at_the_target():
    z = np.array([[0.1, 0.3], [0.3, 0.9]])
    expected = sum(scipy.stats.entropy([0.2, 0.8], [rate, 1 - rate]) for rate in z.mean(0))
    found = losses.sparse_rate(_terms([1.0, 3.0], np.ones((2, 2)), z), weight=5.0, target=0.2)
    np.testing.assert_allclose(found, 2 + 5 * expected, rtol=1e-5)
    assert losses.sparse_rate(_terms([0.0], [[0.0]], [[0.2]]), weight=5.0, target=0.2) == pytest.approx(0, abs=1e-6)


def test_sparse_adds_the_codes_size(key):
    encode, decode = lambda x: x[:2] - 1, lambda z: Normal(jnp.concatenate([z, z]), jnp.zeros(4))
    x = jnp.array([0.5, 3.0, 0.0, 1.0])
    plain, terms = losses.autoencoder(jax.random.clone(key), x, encode, decode)
    sparse, _ = losses.sparse(key, x, encode, decode, weight=3.0)
    np.testing.assert_allclose(terms.z, [-0.5, 2.0])
    np.testing.assert_allclose(sparse - plain, 3 * 2.5, rtol=1e-6)


def test_autoencoder_takes_the_mean_of_a_distribution(key):
    decode = lambda z: Normal(z, jnp.zeros(2))
    x = jnp.array([0.5, 3.0])
    loss, _ = losses.autoencoder(key, x, lambda x: Normal(x, jnp.zeros(2)), decode)
    np.testing.assert_allclose(loss, np.log(2 * np.pi), rtol=1e-6)


@pytest.mark.parametrize("name", ["denoising", "denoising-masking", "denoising-salt-and-pepper"])
def test_corruptions_are_what_the_encoder_sees(name, key):
    corrupt = losses.LOSSES[name].corrupt
    x = jnp.full((10_000,), 0.5)
    seen = corrupt(key, x, noise=0.4)
    if name == "denoising":
        assert (seen - x).std() == pytest.approx(0.4, rel=0.05)
    else:
        values = {"denoising-masking": {0.0: 0.4}, "denoising-salt-and-pepper": {0.0: 0.2, 1.0: 0.2}}[name]
        for value, share in values.items():
            assert (seen == value).mean() == pytest.approx(share, abs=0.02)
        assert (seen == 0.5).mean() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    ("name", "value", "length"), [("capacity", "capacity", "capacity_steps"), ("vae", "beta", "beta_steps")]
)
def test_ramps_rise_in_a_straight_line(name, value, length):
    loss = losses.LOSSES[name]
    hyper = {value: jnp.float32(20), length: jnp.float32(1000)}
    assert [float(loss.at(step, hyper)[value]) for step in (0, 250, 1000, 5000)] == [0, 5, 20, 20]
    assert loss.at(0, {value: jnp.float32(20), length: jnp.float32(0)})[value] == 20
    assert length not in loss.at(0, hyper)


def test_options_are_sizes_and_unknown_ones_are_refused():
    assert losses.LOSSES["iwae"].choose(num_samples=50).options["num_samples"] == 50
    assert losses.LOSSES["iwae"].options["num_samples"] == 5
    with pytest.raises(ValueError, match="loss 'iwae' has no option 'samples'; it has num_samples"):
        losses.LOSSES["iwae"].choose(samples=50)
    with pytest.raises(ValueError, match="a loss named 'iwae' exists already"):
        losses.register("iwae")(lambda terms: 0.0)


def test_every_public_function_has_an_example_that_the_tests_run():
    for name in losses.__all__:
        part = getattr(losses, name)
        if callable(part) and not isinstance(part, type) and part is not losses.register:
            assert ">>>" in (part.__doc__ or ""), name
