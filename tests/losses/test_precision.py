"""Half precision in, whole nats out: sums over pixels, latents and samples accumulate in float32 at least."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Mixture,
    Normal,
    losses,
)
from vae_jax.losses import LOSSES, Batch, Terms

KINDS = {Bernoulli: 1, ContinuousBernoulli: 1, DiscretizedLogistic: 2, Normal: 2}


class Still(Normal):
    """A normal whose samples are its mean, the same number in any precision."""

    def sample(self, key):
        return self.mean


def numbers(key, dtype, *shape):
    return jax.random.normal(key, shape).astype(jnp.bfloat16).astype(dtype)


@pytest.mark.parametrize("half", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_density_of_an_image(key, kind, half):
    key_x, key_p = jax.random.split(key)
    x = jax.nn.sigmoid(numbers(key_x, jnp.float32, 784)).astype(half)
    parameters = [numbers(k, half, 784) for k in jax.random.split(key_p, KINDS[kind])]
    found = kind(*parameters).log_prob(x)
    wide = kind(*(p.astype(jnp.float32) for p in parameters)).log_prob(x.astype(jnp.float32))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wide, rtol=1e-6)


@pytest.mark.parametrize("name", ["mixture", "logistic mixture"])
def test_the_density_of_a_mixture(key, name):
    if name == "mixture":
        kind, shapes, x = Mixture, ((5,), (5, 300), (5, 300)), jnp.ones(300, jnp.bfloat16)
    else:
        kind, shapes, x = DiscretizedLogisticMixture, ((300, 5),) * 3, jnp.full(300, 0.5, jnp.bfloat16)
    keys = jax.random.split(key, 3)
    narrow = [numbers(k, jnp.bfloat16, *shape) for k, shape in zip(keys, shapes, strict=True)]
    found = kind(*narrow).log_prob(x)
    assert found.dtype == jnp.float32
    expected = kind(*(n.astype(jnp.float32) for n in narrow)).log_prob(x.astype(jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["negative_elbo", "importance_weighted"])
def test_a_loss_of_half_precision(key, name):
    """A network in bfloat16: the loss is that of its numbers, not of sums that stop at three digits."""
    mean, logits = numbers(jax.random.clone(key), jnp.bfloat16, 512), numbers(key, jnp.bfloat16, 784)
    x = (numbers(jax.random.key(1), jnp.float32, 784) > 0).astype(jnp.bfloat16)
    rest = {"num_samples": 64} if name == "importance_weighted" else {}

    def loss(dtype):
        encode = lambda x: Still(mean.astype(dtype), jnp.zeros(512, dtype))
        decode = lambda z: Bernoulli(logits.astype(dtype) + 0 * z[0])
        return getattr(losses, name)(jax.random.key(2), x.astype(dtype), encode, decode, **rest)[0]

    narrow, wide = (jax.jit(loss, static_argnums=0)(dtype) for dtype in (jnp.bfloat16, jnp.float32))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, wide, rtol=2e-4)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.batch])
def test_a_batch_loss_of_half_precision(key, name):
    def loss(dtype):
        mean = numbers(jax.random.clone(key), dtype, 64, 8)
        q = Normal(mean, jnp.zeros_like(mean))
        kl = losses.kl_standard_normal(*q)
        terms = Terms(jnp.full(64, -100.25), kl, jax.nn.sigmoid(mean), q)
        prior = numbers(jax.random.key(7), dtype, 64, 8)
        return LOSSES[name].function(Batch(terms, 1000, 784, prior, lambda z: z.sum()))

    narrow, wide = (jax.jit(loss, static_argnums=0)(dtype) for dtype in (jnp.bfloat16, jnp.float32))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, wide, rtol=1e-2)  # z itself is rounded


def test_double_precision_stays(key):
    with jax.enable_x64(True):
        mean = jax.random.normal(key, (6,), jnp.float64)
        encode, decode = lambda x: Normal(x, jnp.zeros(6)), lambda z: Bernoulli(z)
        loss, terms = losses.negative_elbo(jax.random.key(1), mean, encode, decode)
        assert loss.dtype == terms.kl.dtype == terms.z.dtype == jnp.float64
        assert Bernoulli(mean).log_prob(mean.astype(jnp.float32)).dtype == jnp.float64


@pytest.mark.parametrize("half", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("estimator", ["iwae", "stl", "dreg"])
def test_the_gradient_of_half_precision(key, estimator, half):
    def loss(mean):
        encode, decode = lambda x: Normal(mean, mean), lambda z: Bernoulli(jnp.concatenate([z, z]))
        return losses.importance_weighted(key, jnp.ones(4, half), encode, decode, num_samples=4, estimator=estimator)[0]

    gradient = jax.jit(jax.grad(loss))(jnp.ones(2, half))
    assert gradient.dtype == half and np.isfinite(np.asarray(gradient, np.float32)).all()


@pytest.mark.parametrize("logit", [-6.9, 6.9])
def test_rare_pixels_are_as_rare_in_half_precision(key, logit):
    """Drawn with bfloat16's uniform numbers, one pixel in a thousand would be eight."""
    draws = Bernoulli(jnp.full(400_000, logit, jnp.bfloat16)).sample(key)
    share = float(jnp.mean(draws.astype(jnp.float32)))
    expected = float(jax.nn.sigmoid(jnp.bfloat16(logit).astype(jnp.float32)))
    assert draws.dtype == jnp.bfloat16
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 400_000)


def test_normal_noise_is_normal_in_half_precision(key):
    draws = np.asarray(Normal(jnp.zeros(400_000, jnp.bfloat16), jnp.zeros((), jnp.bfloat16)).sample(key), np.float32)
    assert abs(draws.mean()) < 5 / np.sqrt(400_000) and np.abs(draws).max() > 4
