"""Shapes and sizes of every network, and the two forms of the strided convolution against Flax's own layers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.data.preprocess import grey
from vae_jax.errors import InputError
from vae_jax.likelihoods import LIKELIHOODS, GaussianLikelihood
from vae_jax.model import VAE
from vae_jax.networks import NETWORKS, DenseDecoder, DenseEncoder, Sizes
from vae_jax.networks.strided import Strided, down, up

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 1), (20, 30, 3)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [(shape, "bernoulli") for shape in SHAPES[:-1]] + [(SHAPES[-1], name) for name in LIKELIHOODS],
)
def test_every_network_maps_images_to_codes_and_back(network, shape, likelihood, key):
    entry, outputs = NETWORKS[network], LIKELIHOODS[likelihood].outputs
    hidden = (16,) * len(entry.hidden)
    model = VAE(*entry.build(Sizes(shape, 3, hidden, outputs)), LIKELIHOODS[likelihood])
    key_init, key_x, key_z = jax.random.split(key, 3)
    x = jax.random.uniform(key_x, shape)
    params = model.init(key_init, x)
    q = model.encode(params, x)
    assert q.mean.shape == q.log_var.shape == (3,)
    p = model.decode(params, q.sample(key_z))
    assert p.mean.shape == shape
    assert np.isfinite(p.log_prob(x))


def test_burgess_has_its_layers(key):
    """64×64: four convolutions of 32 channels to 4×4, two dense layers of 256, 2·latent; the mirror image back."""
    encoder, decoder = NETWORKS["conv"].build(Sizes((64, 64, 1), 10, (256, 256)))
    shapes = jax.tree.map(jnp.shape, VAE(encoder, decoder).init(key, jnp.zeros((64, 64, 1))))
    kernels = [leaf["kernel"] for leaf in shapes["encoder"]["params"].values()]
    assert sorted(kernels) == sorted([(4, 4, 1, 32), *[(4, 4, 32, 32)] * 3, (512, 256), (256, 256), (256, 20)])
    kernels = [leaf["kernel"] for leaf in shapes["decoder"]["params"].values()]
    assert sorted(kernels) == sorted([(10, 256), (256, 256), (256, 512), *[(4, 4, 32, 32)] * 3, (4, 4, 32, 1)])


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
    encoder, decoder = NETWORKS["conv"].build(Sizes((28, 28, 1), 2, (16,)))
    model, x = VAE(encoder, decoder), jnp.zeros((28, 28, 1))
    params = model.init(key, x)
    program = str(jax.make_jaxpr(jax.grad(lambda p: model.decode(p, model.encode(p, x).mean).mean.sum()))(params))
    assert "dot_general" in program and "conv_general_dilated" not in program


def test_activation_is_a_choice(key):
    encoder = DenseEncoder(2, (8,), activation=jnp.tanh)
    params = encoder.init(key, jnp.ones(4))
    relu = DenseEncoder(2, (8,)).apply(params, jnp.ones(4))
    assert not np.allclose(encoder.apply(params, jnp.ones(4)).mean, relu.mean)


def test_conv_needs_images_and_linear_has_no_hidden_layers():
    with pytest.raises(InputError, match="needs images"):
        NETWORKS["conv"].build(Sizes((64,), 2, (16,)))
    with pytest.raises(InputError, match="no hidden layers"):
        NETWORKS["linear"].build(Sizes((64,), 2, (16,)))


def test_generate_draws_the_same_codes_from_the_same_key(key):
    model = VAE(DenseEncoder(2, (8,)), DenseDecoder((4, 4, 1), (8,)))
    params = model.init(key, jnp.zeros((4, 4, 1)))
    images = [model.generate(jax.random.key(seed), params, 6) for seed in (1, 1, 2)]
    assert images[0].shape == (6, 4, 4, 1)
    assert np.min(images[0]) >= 0 and np.max(images[0]) <= 1
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    with pytest.raises(ValueError, match="one label for each"):
        model.generate(jax.random.key(1), params, 6, jnp.zeros(5, jnp.int32))


def test_gaussian_scale_is_in_the_likelihood():
    p = GaussianLikelihood(scale=0.5).apply({}, jnp.zeros(2))
    np.testing.assert_allclose(p.log_prob(jnp.ones(2)), 2 * (-0.5 * 4 - 0.5 * np.log(2 * np.pi * 0.25)), rtol=1e-6)


def test_uint8_pixels_become_unit_floats(key):
    np.testing.assert_array_equal(grey(key, jnp.array([0, 255], jnp.uint8)), [0.0, 1.0])
