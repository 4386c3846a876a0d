"""Discrepancies against sums by hand and closed forms; the best σ; β between conventions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.spatial.distance

from vae_jax import Normal, losses
from vae_jax.losses import Scaling, Terms, convert_beta, mmd2

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_the_sum_by_hand(key, kernel):
    a, b = np.split(np.asarray(jax.random.normal(key, (11, 3)), np.float64), [5])

    def k(u, v):
        squares = scipy.spatial.distance.cdist(u, v, "sqeuclidean") / 6
        if kernel == "rbf":
            return np.exp(-squares)
        return np.mean([scale / (scale + squares) for scale in SCALES], axis=0)

    within = sum((k(u, u).sum() - len(u)) / (len(u) * (len(u) - 1)) for u in (a, b))
    np.testing.assert_allclose(
        mmd2(jnp.asarray(a), jnp.asarray(b), kernel=kernel), within - 2 * k(a, b).mean(), atol=1e-6
    )


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_zero_in_expectation_between_samples_of_one_law(key, kernel):
    values = jax.vmap(lambda key: mmd2(*jax.random.normal(key, (2, 20, 4)), kernel=kernel))(jax.random.split(key, 2000))
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(2000)
    assert values.min() < 0  # unbiased, so on either side


def test_mmd_of_two_normals_is_the_closed_form(key):
    """E exp(−(u − v)²/2) for u − v ~ N(m, s²) is exp(−m²/(2(1 + s²)))/√(1 + s²)."""
    key_a, key_b = jax.random.split(key)
    found = jax.vmap(lambda a, b: mmd2(a, b + 2.0))(
        jax.random.normal(key_a, (100, 100, 1)), jax.random.normal(key_b, (100, 100, 1))
    )
    expected = 2 / np.sqrt(3) * (1 - np.exp(-4 / 6))
    assert abs(found.mean() - expected) < 4 * found.std() / 10


def terms_of(z, distortion=10.0, kl=2.0):
    return Terms(jnp.full(len(z), -distortion), jnp.full((len(z), 1), kl), z, None)


def test_info_vae_is_the_elbo_at_its_corner_and_mmd_vae_at_another(key):
    z, prior = jax.random.normal(key, (2, 8, 2)) + jnp.array([2.0, 0.0])[:, None, None]
    terms, distance = terms_of(z), mmd2(z, prior)
    assert losses.mmd(terms, prior_samples=prior, alpha=0.0, weight=1.0) == 12
    np.testing.assert_allclose(
        losses.mmd(terms, prior_samples=prior, alpha=1.0, weight=5.0), 10 + 5 * distance, rtol=1e-5
    )
    np.testing.assert_allclose(
        losses.mmd(terms, prior_samples=prior, alpha=0.5, weight=5.0), 10 + 1 + 4.5 * distance, rtol=1e-5
    )
    expected = 10 + 7 * mmd2(z, prior, kernel="imq")
    np.testing.assert_allclose(losses.wasserstein(terms, prior_samples=prior, weight=7.0), expected, rtol=1e-5)


def test_mmd_refuses_what_it_cannot_take():
    with pytest.raises(ValueError, match="kernel must be one of rbf, imq; got 'linear'"):
        mmd2(jnp.zeros((3, 1)), jnp.zeros((3, 1)), kernel="linear")
    with pytest.raises(ValueError, match="at least 2 samples of each law; got 1 and 3"):
        mmd2(jnp.zeros((1, 1)), jnp.zeros((3, 1)))


# ---- the best σ ----


def test_optimal_sigma_is_the_smallest_of_all_sigmas(key):
    """SciPy finds no better σ, and the value is ½ ln(2πe·MSE) per number."""
    x, mean = np.asarray(jax.random.normal(key, (2, 6, 5)))

    def negative_log_likelihood(log_var):
        log_vars = jnp.full((6, 5), float(log_var), jnp.float32)
        return -float(jax.vmap(lambda m, v, x: Normal(m, v).log_prob(x))(mean, log_vars, x).mean())

    best = scipy.optimize.minimize_scalar(negative_log_likelihood, bracket=(-1, 1)).fun
    unit = jax.vmap(lambda m, x: Normal(m, jnp.zeros(5)).log_prob(x))(mean, x)
    terms = Terms(unit, jnp.full((6, 1), 2.0), jnp.zeros((6, 1)), None)
    found = losses.optimal_sigma(terms, pixels=5, beta=3.0)
    np.testing.assert_allclose(found - 6, best, rtol=1e-5)
    np.testing.assert_allclose(found - 6, 2.5 * np.log(2 * np.pi * np.e * np.mean((x - mean) ** 2)), rtol=1e-5)


def test_optimal_sigma_has_a_floor_with_no_step():
    def value(error):
        return losses.optimal_sigma(terms_of(jnp.zeros((2, 1)), 2 * np.log(2 * np.pi) + 2 * error, 0.0), pixels=4)

    floor = 1e-4
    errors = np.array([0.0, 0.5, 0.99, 1.01, 2.0]) * floor
    values = np.array([value(error) for error in errors])
    assert np.isfinite(values).all() and np.all(np.diff(values) > -1e-3)
    np.testing.assert_allclose(values[2], values[3], atol=0.2)  # float32 keeps 1e-4 of 1.8 to three digits
    assert np.isfinite(jax.grad(value)(0.0))


# ---- β between conventions ----


def test_a_converted_beta_has_the_gradient_of_its_source():
    """Up to one factor, the loss written in the other convention is ours with the converted β."""
    pixels, latent = 12, 3

    def gradient(loss):
        return np.concatenate([np.ravel(leaf) for leaf in jax.grad(loss)((jnp.arange(12.0), jnp.arange(3.0)))])

    for source in (
        Scaling(),
        Scaling(pixels_averaged=True, unit=2.0),
        Scaling(True, True),
        Scaling(latents_averaged=True, unit=510.0),
    ):

        def theirs(parts, source=source):
            reconstruction, kl = 0.5 * jnp.square(parts[0] - 7), 0.5 * jnp.square(parts[1])
            r = (jnp.mean if source.pixels_averaged else jnp.sum)(reconstruction)
            return source.unit * r + 0.3 * (jnp.mean if source.latents_averaged else jnp.sum)(kl)

        beta = convert_beta(0.3, source, pixels=pixels, latent=latent)
        ours = gradient(
            lambda parts, beta=beta: (
                jnp.sum(0.5 * jnp.square(parts[0] - 7)) + beta * jnp.sum(0.5 * jnp.square(parts[1]))
            )
        )
        ratio = gradient(theirs)[0] / ours[0]
        np.testing.assert_allclose(gradient(theirs), ratio * ours, rtol=1e-5)
        back = convert_beta(beta, "summed", source, pixels=pixels, latent=latent)
        assert back == pytest.approx(0.3)


def test_the_normalised_beta_is_beta_times_latents_over_pixels():
    assert convert_beta(5.0, "summed", "normalised", pixels=784, latent=20) == pytest.approx(5 * 20 / 784)
    with pytest.raises(ValueError, match="no scaling named 'nats'; expected a Scaling, or one of summed, averaged"):
        convert_beta(1.0, "nats", pixels=784, latent=20)
