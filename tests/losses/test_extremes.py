"""Every loss at the ends of float32, on identical images, and on one example: a number, or a plain refusal."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes import EVERY_LOSS

from vae_jax import Bernoulli, Delta, DiscretizedLogistic, Normal, losses
from vae_jax.losses import LOSSES, Batch

NEEDS_TWO = {"beta-tc", "dip-i", "dip-ii", "factor", "info-vae", "wae-mmd"}
BATCH, LATENT, PIXELS = 4, 2, 3


def loss_of(name, parameters, key, likelihood, x):
    """The mean loss of a batch under an encoder and a decoder that are numbers, those of `numbers`."""
    loss = LOSSES[name]
    own = loss.at(1e9, {})

    def encode(x):
        mean = parameters["mean"] + x[:LATENT]
        if loss.posterior == "rates":
            return Delta(jax.nn.sigmoid(mean))
        return Normal(mean, parameters["log_var"]) if not loss.point else Delta(mean)

    def decode(z):
        return likelihood(parameters["out"] + 1e-3 * z[0], parameters["noise"])

    keys = jax.random.split(key, len(x))
    if not loss.batch:
        return jax.vmap(lambda key, x: loss.function(key, x, encode, decode, **loss.sizes, **own)[0])(keys, x).mean()
    terms = jax.vmap(lambda key, x: losses.elbo_terms(key, x, encode, decode))(keys, x)
    prior = jax.random.normal(jax.random.key(7), (len(x), LATENT))
    for critic in loss.critics.values():
        own["gamma"] = own["gamma"] + 0 * critic.loss(jax.random.key(8), Batch(terms), jnp.sum)
    return loss.function(Batch(terms, 50, PIXELS, prior, dict.fromkeys(loss.critics, jnp.sum)), **own)


@cache
def compiled(name, likelihood):
    """One program for all numbers."""
    return jax.jit(jax.value_and_grad(lambda parameters, key, x: loss_of(name, parameters, key, likelihood, x)))


def expect_finite(name, parameters, key, likelihood, x):
    value, slopes = compiled(name, likelihood)(parameters, key, x)
    assert np.isfinite(value), value
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes)), slopes


def numbers(log_var=0.0, out=0.5, noise=0.0):
    """A mean and a log-variance for each latent, an output for each pixel and, where there is one, its log-scale."""
    of_pixels = {"out": jnp.full(PIXELS, out), "noise": jnp.full(PIXELS, noise)}
    return {"mean": jnp.zeros(LATENT), "log_var": jnp.full(LATENT, log_var), **of_pixels}


def bernoulli(h, _):
    return Bernoulli(h)


IMAGES = jnp.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.2], [0.3, 0.3, 0.0], [1.0, 1.0, 1.0]])


@pytest.mark.parametrize("name", EVERY_LOSS)
class TestEveryLoss:
    @pytest.mark.parametrize("logit", [-1e4, 1e4])
    def test_logits(self, name, logit, key):
        expect_finite(name, numbers(out=logit), key, bernoulli, IMAGES)

    @pytest.mark.parametrize("log_var", [-80.0, 80.0])
    def test_log_variances(self, name, log_var, key):
        expect_finite(name, numbers(log_var=log_var), key, bernoulli, IMAGES)

    @pytest.mark.parametrize("likelihood", [Normal, DiscretizedLogistic])
    def test_pixels_without_noise(self, name, likelihood, key):
        expect_finite(name, numbers(noise=-80.0), key, likelihood, IMAGES)

    def test_identical_images(self, name, key):
        expect_finite(name, numbers(), key, bernoulli, jnp.tile(IMAGES[:1], (BATCH, 1)))

    def test_images_met_exactly(self, name, key):
        expect_finite(name, numbers(out=0.0), key, Normal, jnp.zeros((BATCH, PIXELS)))

    def test_one_example(self, name, key):
        if name in NEEDS_TWO:
            with pytest.raises(ValueError, match=r"at least 2 .*got 1"):
                loss_of(name, numbers(), key, bernoulli, IMAGES[:1])
        else:
            expect_finite(name, numbers(), key, bernoulli, IMAGES[:1])
