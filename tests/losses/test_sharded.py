"""Batch losses over a batch that is split over devices: eight parts are one whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import Bernoulli, Normal, losses
from vae_jax.losses import LOSSES, Batch, apply_critic, critic_loss, init_critic

PARTS, EACH, LATENT = 8, 3, 2
X = jax.random.uniform(jax.random.key(3), (PARTS * EACH, 4))
NOISE, PRIOR = jax.random.normal(jax.random.key(4), (2, PARTS * EACH, LATENT))
WEIGHTS = {"in": jax.random.normal(jax.random.key(5), (4, 2 * LATENT)), "out": jnp.ones((LATENT, 4))}
CRITIC = init_critic(jax.random.key(6), LATENT, width=4)


def batch_of(weights, x, noise, prior):
    def one(x, noise):
        q = Normal(*jnp.split(x @ weights["in"], 2))
        z = jax.nn.sigmoid(q.mean + jnp.exp(0.5 * q.log_var) * noise)
        p = Bernoulli(z @ weights["out"])
        return losses.Terms(p.log_prob(x), losses.kl_standard_normal(*q), z, q)

    return Batch(jax.vmap(one)(x, noise), 1000, 4, prior, {"critic": lambda z: apply_critic(CRITIC, z)})


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.batch])
def test_parts_give_the_loss_and_the_gradient_of_the_whole(name):
    loss = LOSSES[name].function

    def of_part(weights, x, noise, prior):
        function = lambda weights: loss(batch_of(weights, x, noise, prior), axis_name="parts")
        value, gradient = jax.value_and_grad(function)(weights)
        return jax.lax.pmean((value, gradient), "parts")

    whole = jax.jit(jax.value_and_grad(lambda weights: loss(batch_of(weights, X, NOISE, PRIOR))))(WEIGHTS)
    split = [leaf.reshape(PARTS, EACH, -1) for leaf in (X, NOISE, PRIOR)]
    parts = jax.jit(jax.vmap(of_part, (None, 0, 0, 0), axis_name="parts"))(WEIGHTS, *split)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-3), parts, whole)


@pytest.mark.parametrize("check_vma", [False, True])
@pytest.mark.parametrize("name", ["beta-tc", "dip-ii", "factor", "capacity"])
def test_the_gradient_inside_of_shard_map_is_counted_once(name, check_vma):
    from jax.sharding import Mesh
    from jax.sharding import PartitionSpec as P

    loss, mesh = LOSSES[name].function, Mesh(np.array(jax.devices()), ("parts",))

    def of_part(weights, x, noise, prior):
        function = lambda weights: loss(batch_of(weights, x, noise, prior), axis_name="parts")
        return jax.lax.pmean(jax.value_and_grad(function)(weights), "parts")

    specs = (P(), P("parts"), P("parts"), P("parts"))
    found = jax.jit(jax.shard_map(of_part, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=check_vma))(
        WEIGHTS, X, NOISE, PRIOR
    )
    expected = jax.jit(jax.value_and_grad(lambda weights: loss(batch_of(weights, X, NOISE, PRIOR))))(WEIGHTS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), found, expected)


@pytest.mark.parametrize("name", ["beta-tc", "dip-ii", "factor"])
def test_shard_map_over_devices_gives_the_loss_of_the_whole(name):
    from jax.sharding import Mesh
    from jax.sharding import PartitionSpec as P

    loss, mesh = LOSSES[name].function, Mesh(np.array(jax.devices()), ("parts",))

    def of_part(weights, x, noise, prior):
        return jax.lax.pmean(loss(batch_of(weights, x, noise, prior), axis_name="parts"), "parts")

    specs = (P(), P("parts"), P("parts"), P("parts"))
    split = jax.shard_map(of_part, mesh=mesh, in_specs=specs, out_specs=P())
    arguments = WEIGHTS, X, NOISE, PRIOR
    found = jax.jit(jax.value_and_grad(split))(*arguments)
    expected = jax.jit(jax.value_and_grad(lambda *a: loss(batch_of(*a))))(*arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), found, expected)


def test_the_critic_sees_latents_shuffled_over_all_parts(key):
    critic = lambda z: apply_critic(CRITIC, z)
    whole = critic_loss(jax.random.clone(key), NOISE, critic)
    of_part = lambda z: critic_loss(jax.random.clone(key), z, critic, axis_name="parts")
    parts = jax.vmap(of_part, axis_name="parts")(NOISE.reshape(PARTS, EACH, LATENT))
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
