"""Networks of other libraries, and encoders that return other libraries' distributions, trained like our own."""

from functools import partial

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from foreign import DistraxBernoulli, DistraxNormal

from vae_jax import StandardNormal, training
from vae_jax.data import Examples
from vae_jax.errors import InputError
from vae_jax.evaluation import encode_all
from vae_jax.losses import LOSSES
from vae_jax.models import VAE, DenseDecoder, DenseEncoder, from_equinox, from_haiku, from_nnx
from vae_jax.training import Recipe, grid, hyperparameters

SHAPE, LATENT, PIXELS = (4, 4, 1), 2, 16
DATA = Examples(np.random.RandomState(0).rand(48, *SHAPE).astype(np.float32))
GAMMAS = [1.0, 5.0, 20.0]


class NNXEncoder(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(PIXELS, 8, rngs=rngs), nnx.Linear(8, 2 * LATENT, rngs=rngs)])

    def __call__(self, x):
        return self.layers[1](jnp.tanh(self.layers[0](jnp.ravel(x))))


class NNXDecoder(nnx.Module):
    def __init__(self, rngs):
        self.layer = nnx.Linear(LATENT, PIXELS, rngs=rngs)

    def __call__(self, z):
        return self.layer(z).reshape(SHAPE)


class EquinoxDecoder(eqx.Module):
    layer: eqx.nn.Linear

    def __init__(self, key):
        self.layer = eqx.nn.Linear(LATENT, PIXELS, key=key)

    def __call__(self, z):
        return self.layer(z).reshape(SHAPE)


def equinox_encoder(key):
    return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), eqx.nn.MLP(PIXELS, 2 * LATENT, 8, 1, key=key)])


class DistraxEncoder(nn.Module):
    """An encoder that returns a distribution whose mean is a method."""

    latent: int = LATENT

    @nn.compact
    def __call__(self, x):
        mean, log_scale = jnp.split(nn.Dense(2 * self.latent)(jnp.ravel(x)), 2)
        return DistraxNormal(mean, jnp.exp(log_scale))


OURS = DenseEncoder(LATENT, (8,)), DenseDecoder(SHAPE, (8,))
NETWORKS = {
    "nnx": lambda: VAE(from_nnx(NNXEncoder, latent=LATENT), from_nnx(NNXDecoder)),
    "equinox": lambda: VAE(from_equinox(equinox_encoder, latent=LATENT), from_equinox(EquinoxDecoder)),
    "haiku": lambda: VAE(
        from_haiku(lambda x: hk.nets.MLP([8, 2 * LATENT])(jnp.ravel(x)), latent=LATENT),
        from_haiku(lambda z: hk.nets.MLP([PIXELS])(z).reshape(SHAPE)),
    ),
    "distrax": lambda: VAE(DistraxEncoder(), OURS[1], DistraxBernoulli, StandardNormal(LATENT)),
    "ours": lambda: VAE(*OURS),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request) -> VAE:
    return NETWORKS[request.param]()


@pytest.mark.parametrize("loss", ["vae", "factor"])
def test_the_driver_trains_them(model, loss):
    recipe = Recipe(model=model, loss=LOSSES[loss], batch_size=16)
    population = training.sweep(recipe, grid(recipe, learning_rate=1e-2), DATA, epochs=12, progress=False)
    first = training.sweep(recipe, grid(recipe, learning_rate=1e-2), DATA, epochs=1, progress=False)
    assert population.finite.all() and population.metrics["distortion"][0] < first.metrics["distortion"][0]
    params = population.params(0)
    codes = encode_all(recipe, params, jax.random.key(0), DATA)
    assert codes.mean.shape == codes.deviation.shape == (48, LATENT) and np.all(codes.deviation > 0)
    assert model.generate(jax.random.key(1), params, 3).shape == (3, *SHAPE)
    assert hash(recipe) == hash(Recipe(model=model, loss=LOSSES[loss], batch_size=16))


def test_three_values_of_gamma_side_by_side_are_three_runs(model):
    recipe = Recipe(model=model, loss=LOSSES["factor"].choose(width=8), batch_size=16)
    data, key = jax.tree.map(jnp.asarray, DATA), jax.random.key(3)
    hyper = hyperparameters(recipe, gamma=jnp.array(GAMMAS))
    hyper = {name: jnp.broadcast_to(value, (3,)) for name, value in hyper.items()}
    run = partial(training.run, recipe, epochs=2)
    together, _ = jax.jit(jax.vmap(run, (None, 0, None)))(jax.random.clone(key), hyper, data)
    alone = jax.jit(run)
    for index, gamma in enumerate(GAMMAS):
        state, _ = alone(jax.random.clone(key), hyperparameters(recipe, gamma=gamma), data)
        jax.tree.map(
            lambda many, one, index=index: np.testing.assert_allclose(many[index], one, rtol=2e-4, atol=1e-5),
            together.params,
            state.params,
        )


def test_a_mean_that_is_a_method_is_decoded(key):
    """Distributions of distrax and TFP have a mean that is called."""
    model = NETWORKS["distrax"]()
    x = jnp.asarray(DATA.x[0])
    params = model.init(key, x)
    found = model.decode_mean(params, jnp.zeros(LATENT))
    assert found.shape == SHAPE and np.all((found > 0) & (found < 1))


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install equinox"):
        from_equinox(equinox_encoder)


class Turned(eqx.Module):
    """An Equinox decoder with a permutation and constants, which no gradient trains."""

    layer: eqx.nn.Linear
    order: jax.Array
    scale: np.ndarray

    def __init__(self, key):
        self.layer = eqx.nn.Linear(LATENT, PIXELS, key=key)
        self.order, self.scale = jnp.arange(PIXELS)[::-1], np.full(PIXELS, 0.5, np.float32)

    def __call__(self, z):
        return (self.scale * self.layer(z))[self.order].reshape(SHAPE)


def test_what_is_no_float_of_jax_is_a_constant_of_an_equinox_module(key):
    recipe = Recipe(model=VAE(OURS[0], from_equinox(Turned)), batch_size=16)
    params = training.run(recipe, key, hyperparameters(recipe), DATA, epochs=2)[0].params["decoder"]
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [(PIXELS, LATENT), (PIXELS,)]
    z = np.float32([0.5, -1.0])
    plain = np.asarray(params.layer.weight) @ z + np.asarray(params.layer.bias)
    found = from_equinox(Turned).apply(params, z)
    np.testing.assert_allclose(found, (0.5 * plain)[::-1].reshape(SHAPE), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", ["BatchNorm", "Dropout"])
def test_an_nnx_module_with_more_than_parameters_is_refused(layer, key):
    class Encoder(NNXEncoder):
        def __init__(self, rngs):
            super().__init__(rngs)
            self.more = nnx.BatchNorm(PIXELS, rngs=rngs) if layer == "BatchNorm" else nnx.Dropout(0.5, rngs=rngs)

    with pytest.raises(InputError, match="from_nnx takes modules of Param alone"):
        from_nnx(Encoder, latent=LATENT).init(key)
