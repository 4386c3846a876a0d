"""The best σ against SciPy's search, and its floor."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from codes import terms_by_hand

from vae_jax import Normal, losses
from vae_jax.losses import Batch, Terms


def test_optimal_sigma_is_the_smallest_of_all_sigmas(key):
    """SciPy finds no better σ, and the value is ½ ln(2πe·MSE) per number."""
    x, mean = np.asarray(jax.random.normal(key, (2, 6, 5)))

    def negative_log_likelihood(log_var):
        log_vars = jnp.full((6, 5), float(log_var), jnp.float32)
        return -float(jax.vmap(lambda m, v, x: Normal(m, v).log_prob(x))(mean, log_vars, x).mean())

    best = scipy.optimize.minimize_scalar(negative_log_likelihood, bracket=(-1, 1)).fun
    unit = jax.vmap(lambda m, x: Normal(m, jnp.zeros(5)).log_prob(x))(mean, x)
    terms = Terms(unit, jnp.full((6, 1), 2.0), jnp.zeros((6, 1)), None)
    found = losses.optimal_sigma(Batch(terms, pixels=5), beta=3.0)
    np.testing.assert_allclose(found - 6, best, rtol=1e-5)
    np.testing.assert_allclose(found - 6, 2.5 * np.log(2 * np.pi * np.e * np.mean((x - mean) ** 2)), rtol=1e-5)


def test_optimal_sigma_has_a_floor_with_no_step():
    def value(error):
        terms = terms_by_hand(jnp.full(2, 2 * np.log(2 * np.pi) + 2 * error), jnp.zeros((2, 1)))
        return losses.optimal_sigma(Batch(terms, pixels=4))

    floor = 1e-4
    errors = np.array([0.0, 0.5, 0.99, 1.01, 2.0]) * floor
    values = np.array([value(error) for error in errors])
    assert np.isfinite(values).all() and np.all(np.diff(values) > -1e-3)
    np.testing.assert_allclose(values[2], values[3], atol=0.2)  # float32 keeps 1e-4 of 1.8 to three digits
    assert np.isfinite(jax.grad(value)(0.0))


def test_from_float32_the_loss_is_good_to_a_nat_near_its_floor(key):
    """784 pixels, MSE 1.1e-4: recovered from log N(x; μ, 1), of which it is the last digits."""
    error = jnp.sqrt(1.1e-4) * jax.random.normal(key, (64, 784))

    def loss(scale):
        likelihood = jax.vmap(Normal(jnp.zeros(784), jnp.zeros(784)).log_prob)(scale * error)
        terms = Terms(likelihood, jnp.zeros((64, 1)), jnp.zeros((64, 1)), None)
        return losses.optimal_sigma(Batch(terms, pixels=784))

    mse = np.mean(np.square(np.asarray(error, np.float64)))
    found, slope = jax.value_and_grad(loss)(1.0)
    assert abs(found - 392 * (np.log(2 * np.pi) + 1 + np.log(mse))) < 1
    np.testing.assert_allclose(slope, 784, rtol=0.01)
