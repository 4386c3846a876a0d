"""From stored pixels to what a model sees."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import data
from vae_jax.data import grey


def test_uint8_pixels_become_unit_floats(key):
    np.testing.assert_array_equal(grey(key, jnp.array([0, 255], jnp.uint8)), [0.0, 1.0])


class TestPreprocess:
    x = jnp.array([0, 100, 200, 255], jnp.uint8)

    def test_dynamic_draws_each_time_with_the_grey_value_as_probability(self, key):
        draws = jax.vmap(data.dynamic, (0, None))(jax.random.split(key, 20_000), self.x)
        assert set(np.unique(draws)) == {0.0, 1.0}
        np.testing.assert_allclose(draws.mean(0), self.x / 255, atol=0.015)

    def test_static_is_a_threshold(self, key):
        np.testing.assert_array_equal(data.static(key, self.x), [0, 0, 1, 1])

    def test_floats_stay(self, key):
        np.testing.assert_array_equal(data.grey(key, jnp.array([0.25])), [0.25])
