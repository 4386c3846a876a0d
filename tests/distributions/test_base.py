"""What distributions have in common: an exp that stays finite, and draws from other libraries' objects."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import draw, finite_exp


def test_finite_exp_is_exp_and_keeps_growing():
    x = jnp.linspace(-90, 79, 50)
    np.testing.assert_array_equal(finite_exp(x), jnp.exp(x))
    assert finite_exp(200.0) > finite_exp(100.0) > finite_exp(80.0)
    assert jax.grad(finite_exp)(200.0) > 0


def test_draw_takes_the_key_as_other_libraries_do(key):
    import numpyro.distributions

    class TakesSeed:
        def sample(self, *, seed):
            return jax.random.normal(seed)

        def log_prob(self, x):
            return x

    normal = numpyro.distributions.Normal(jnp.zeros(3), 1.0)
    np.testing.assert_array_equal(draw(normal, jax.random.clone(key)), normal.sample(jax.random.clone(key)))
    assert draw(TakesSeed(), key).shape == ()
