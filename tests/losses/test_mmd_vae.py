"""The discrepancy against sums by hand, and the losses that weigh it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance

from vae_jax import losses
from vae_jax.losses import Batch, Terms, mmd2

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


def test_info_vae_is_the_elbo_at_its_corner_and_mmd_vae_at_another(key):
    z, prior = jax.random.normal(key, (2, 8, 2)) + jnp.array([2.0, 0.0])[:, None, None]
    batch = Batch(Terms(jnp.full(8, -10.0), jnp.full((8, 1), 2.0), z, None), prior_samples=prior)
    distance = mmd2(z, prior)
    assert losses.mmd(batch, alpha=0.0, weight=1.0) == 12
    np.testing.assert_allclose(losses.mmd(batch, alpha=1.0, weight=5.0), 10 + 5 * distance, rtol=1e-5)
    np.testing.assert_allclose(losses.mmd(batch, alpha=0.5, weight=5.0), 10 + 1 + 4.5 * distance, rtol=1e-5)
    expected = 10 + 7 * mmd2(z, prior, kernel="imq")
    np.testing.assert_allclose(losses.wasserstein(batch, weight=7.0), expected, rtol=1e-5)


def test_mmd_refuses_what_it_cannot_take():
    with pytest.raises(ValueError, match="kernel must be one of rbf, imq; got 'linear'"):
        mmd2(jnp.zeros((3, 1)), jnp.zeros((3, 1)), kernel="linear")
    with pytest.raises(ValueError, match="at least 2 samples of each law; got 1 and 3"):
        mmd2(jnp.zeros((1, 1)), jnp.zeros((3, 1)))
