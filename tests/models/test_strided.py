"""The two forms of the strided convolution against Flax's own layers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.models import NETWORKS, VAE, NetworkConfig
from vae_jax.models.networks.strided import Strided, down, up


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("form", "flax_form"), [(down, nn.Conv), (up, nn.ConvTranspose)])
def test_both_forms_are_flaxs_convolutions(form, flax_form, native, key):
    key_x, key_kernel = jax.random.split(key)
    x, kernel = jax.random.normal(key_x, (12, 8, 5)), jax.random.normal(key_kernel, (4, 4, 5, 7))
    layer = flax_form(7, (4, 4), strides=(2, 2), padding="SAME", use_bias=False)

    def by_flax(x, kernel):
        return layer.apply({"params": {"kernel": kernel}}, x[None])[0]

    expected, pull_expected = jax.vjp(by_flax, x, kernel)
    found, pull_found = jax.vjp(lambda x, kernel: form(x, kernel, native=native), x, kernel)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for mine, theirs in zip(pull_found(expected), pull_expected(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-2)


def test_strided_layer_has_flaxs_parameters(key):
    own = Strided(7).init(key, jnp.zeros((8, 8, 5)))
    flaxs = nn.Conv(7, (4, 4), strides=(2, 2)).init(jax.random.clone(key), jnp.zeros((1, 8, 8, 5)))
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, flaxs)


def test_no_convolution_primitive_on_cpu(key):
    """XLA's CPU convolutions crawl inside a compiled loop; the networks must not fall back to them."""
    if jax.default_backend() != "cpu":
        pytest.skip("the native convolution is right on accelerators")
    encoder, decoder = NETWORKS["conv"].build(NetworkConfig((28, 28, 1), 2, (16,)))
    model, x = VAE(encoder, decoder), jnp.zeros((28, 28, 1))
    params = model.init(key, x)
    program = str(jax.make_jaxpr(jax.grad(lambda p: model.decode(p, model.encode(p, x).mean).mean.sum()))(params))
    assert "dot_general" in program and "conv_general_dilated" not in program
