"""Shapes and sizes of every network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import Bernoulli, losses
from vae_jax.errors import InputError
from vae_jax.models import LIKELIHOODS, NETWORKS, VAE, ConvEncoder, DenseDecoder, DenseEncoder, NetworkConfig

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 1), (20, 30, 3)]
ONE_OF_EACH_WIDTH = {entry.outputs: name for name, entry in LIKELIHOODS.items()}.values()  # numbers per pixel


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [(shape, "bernoulli") for shape in SHAPES[:-1]] + [(SHAPES[-1], name) for name in ONE_OF_EACH_WIDTH],
)
def test_every_network_maps_images_to_codes_and_back(network, shape, likelihood, key):
    entry, output = NETWORKS[network], LIKELIHOODS[likelihood].numbers(shape)
    hidden = (16,) * len(entry.hidden)
    model = VAE(*entry.build(NetworkConfig(shape, 3, hidden, output)), LIKELIHOODS[likelihood])
    key_init, key_x, key_z = jax.random.split(key, 3)
    x = jax.random.uniform(key_x, shape)

    @jax.jit
    def there_and_back(key_init, key_z, x):
        params = model.init(key_init, x)
        q = model.encode(params, x)
        p = model.decode(params, q.sample(key_z))
        return q, p.mean, p.log_prob(x)

    q, mean, log_prob = there_and_back(key_init, key_z, x)
    assert q.mean.shape == q.log_var.shape == (3,)
    assert mean.shape == shape
    assert np.isfinite(log_prob)


def test_burgess_has_its_layers(key):
    """64×64: four convolutions of 32 channels to 4×4, two dense layers of 256, 2·latent; the mirror image back."""
    encoder, decoder = NETWORKS["conv"].build(NetworkConfig((64, 64, 1), 10, (256, 256)))
    shapes = jax.tree.map(jnp.shape, VAE(encoder, decoder).init(key, jnp.zeros((64, 64, 1))))
    kernels = [leaf["kernel"] for leaf in shapes["encoder"]["params"].values()]
    assert sorted(kernels) == sorted([(4, 4, 1, 32), *[(4, 4, 32, 32)] * 3, (512, 256), (256, 256), (256, 20)])
    kernels = [leaf["kernel"] for leaf in shapes["decoder"]["params"].values()]
    assert sorted(kernels) == sorted([(10, 256), (256, 256), (256, 512), *[(4, 4, 32, 32)] * 3, (4, 4, 32, 1)])


def test_activation_is_a_choice(key):
    encoder = DenseEncoder(2, (8,), activation=jnp.tanh)
    params = encoder.init(key, jnp.ones(4))
    relu = DenseEncoder(2, (8,)).apply(params, jnp.ones(4))
    assert not np.allclose(encoder.apply(params, jnp.ones(4)), relu)


@pytest.mark.parametrize("kind", [DenseEncoder, ConvEncoder])
def test_an_encoder_by_itself_gives_a_code_and_no_more(kind, key):
    """Numbers for a posterior, of twice the size, would be taken for a code by a loss of an autoencoder."""
    encoder, x = kind(3, (8,)), jnp.ones((8, 8, 1))
    params = encoder.init(key, x)
    encode, decode = (lambda x: encoder.apply(params, x)), (lambda z: Bernoulli(jnp.zeros(x.shape) + z.sum()))
    _, terms = losses.autoencoder(jax.random.clone(key), x, encode, decode)
    assert terms.z.shape == (3,)
    with pytest.raises(ValueError, match="the ELBO needs a posterior with a density; got Delta, a point"):
        losses.negative_elbo(jax.random.clone(key), x, encode, decode)


def test_numbers_that_the_posterior_does_not_read_are_refused(key):
    model = VAE(DenseEncoder(3, (8,), numbers=5), DenseDecoder((4, 4, 1), (8,)))
    with pytest.raises(ValueError, match=r"numbers of shape \(5,\); NormalPosterior reads 6"):
        model.init(key, jnp.ones((4, 4, 1)))


def test_conv_needs_images_and_linear_has_no_hidden_layers():
    with pytest.raises(InputError, match="need images"):
        NETWORKS["conv"].build(NetworkConfig((64,), 2, (16,)))
    with pytest.raises(InputError, match="no hidden layers"):
        NETWORKS["linear"].build(NetworkConfig((64,), 2, (16,)))
