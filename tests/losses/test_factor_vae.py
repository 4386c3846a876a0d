"""FactorVAE's critic: its optimum, its shuffled codes, and where its gradient goes."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from vae_jax import losses
from vae_jax.losses import Batch, Terms


def test_the_best_critic_is_the_log_density_ratio_and_its_loss_is_the_divergence(key):
    """For correlated normals both are known; a critic off it, either way, does worse."""
    rho, n = 0.8, 100_000
    joint = scipy.stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    z = np.asarray(joint.rvs(n, random_state=0), np.float32)
    precision = np.linalg.inv([[1, rho], [rho, 1]])

    def critic(scale, z):
        z = jnp.asarray(z)
        return scale * 0.5 * (jnp.sum(z**2) - z @ jnp.asarray(precision, jnp.float32) @ z - jnp.log(1 - rho**2))

    exact, low, high = (
        losses.critic_loss(jax.random.clone(key), z, lambda z, s=s: critic(s, z)) for s in (1.0, 0.5, 1.5)
    )
    assert exact < min(low, high) - 0.002
    terms = Terms(jnp.zeros(n), jnp.zeros((n, 1)), jnp.asarray(z), None)
    correlation = losses.factor(Batch(terms, critics={"critic": lambda z: critic(1.0, z)}), gamma=1.0)
    np.testing.assert_allclose(correlation, -0.5 * np.log(1 - rho**2), rtol=0.02)


def test_shuffled_latents_keep_their_values_and_lose_their_company(key):
    z = jnp.stack([jnp.arange(1000.0), jnp.arange(1000.0)], axis=1)
    shuffled = losses.permute_latents(key, z)
    np.testing.assert_array_equal(jnp.sort(shuffled, axis=0), z)
    assert abs(np.corrcoef(shuffled.T)[0, 1]) < 0.1
    assert (shuffled != z).mean() > 0.9


def test_the_critics_loss_sends_no_gradient_to_the_codes(key):
    params = losses.init_critic(jax.random.key(0), 2, width=4)

    def loss(params, z):
        return losses.critic_loss(jax.random.clone(key), z, lambda z: losses.apply_critic(params, z))

    to_params, to_codes = jax.grad(loss, (0, 1))(params, jax.random.normal(jax.random.key(1), (8, 2)))
    assert np.all(to_codes == 0) and any(np.any(leaf != 0) for leaf in jax.tree.leaves(to_params))
