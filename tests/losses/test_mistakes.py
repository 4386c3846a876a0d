"""What a caller gets wrong: refused in a sentence, not answered with a number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from codes import everything, terms_of

from vae_jax import (
    Bernoulli,
    ContinuousBernoulli,
    Delta,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Normal,
    StandardNormal,
    losses,
)
from vae_jax.losses import LOSSES, Batch

BATCH = jnp.ones((8, 4))
ONE_EXAMPLE = {name: loss for name, loss in LOSSES.items() if not loss.batch}


def encode(x):
    return Normal(x[..., :2], jnp.zeros_like(x[..., :2]))


def decode(z):
    return Bernoulli(jnp.concatenate([z, z], axis=-1))


@pytest.mark.parametrize("name", ONE_EXAMPLE)
def test_a_batch_where_one_example_is_meant(key, name):
    with pytest.raises(ValueError, match=r"over \[latent\]; got one over \(8, 2\).*jax\.vmap"):
        ONE_EXAMPLE[name].function(key, BATCH, encode, decode, **ONE_EXAMPLE[name].sizes)


@pytest.mark.parametrize("name", ["negative_elbo", "sparse"])
def test_several_weights_at_once(key, name):
    weight = "beta" if name == "negative_elbo" else "weight"
    with pytest.raises(ValueError, match=r"is one number; got shape \(3,\).*jax\.vmap"):
        getattr(losses, name)(key, BATCH[0], encode, decode, **{weight: jnp.ones(3)})


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.batch])
def test_one_example_where_a_batch_is_meant(key, name):
    z, q = everything(key)
    terms = jax.tree.map(lambda leaf: leaf[0], terms_of(z, q))
    batch = Batch(terms, data_size=50, pixels=6, prior_samples=z, critics={"critic": jnp.sum})
    with pytest.raises(ValueError, match=r"of at least one example; got \(\), \(3,\) and \(3,\)"):
        LOSSES[name].function(batch)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.batch])
def test_terms_that_do_not_belong_together(key, name):
    """One KL for each example, without its axis of latents, would be summed over the batch; and an empty batch."""
    z, q = everything(key)
    terms = terms_of(z, q)
    for wrong in (terms._replace(kl=terms.rate), terms._replace(kl=terms.kl[:3]), jax.tree.map(lambda x: x[:0], terms)):
        with pytest.raises(ValueError, match=r"a batch loss takes terms with a leading axis"):
            LOSSES[name].function(Batch(wrong, 50, 6, z, {"critic": jnp.sum}))


@pytest.mark.parametrize(("name", "weight"), [("capacity", "gamma"), ("free-bits", "free_nats"), ("dip-i", "diagonal")])
def test_several_weights_of_a_batch_at_once(key, name, weight):
    with pytest.raises(ValueError, match=r"one number.*got shape \(3,\)"):
        LOSSES[name].function(Batch(terms_of(*everything(key))), **{weight: jnp.ones(3)})


@pytest.mark.parametrize("size", [3, 3.0, np.int64(3), np.float32(3)])
def test_a_data_set_smaller_than_its_batch(key, size):
    with pytest.raises(ValueError, match="data_size counts the whole data set, at least the batch of 7"):
        losses.beta_tc(Batch(terms_of(*everything(key)), data_size=size))


def test_a_critic_of_several_numbers(key):
    with pytest.raises(ValueError, match=r"one logit for each code; got \(3,\) for each"):
        losses.factor(Batch(terms_of(*everything(key)), critics={"critic": lambda z: z}))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize(
    "p",
    [
        Bernoulli(jnp.zeros(4)),
        ContinuousBernoulli(jnp.zeros(4)),
        DiscretizedLogistic(jnp.zeros(4), jnp.zeros(4)),
        DiscretizedLogisticMixture(*jnp.zeros((3, 4, 2))),
        Normal(jnp.zeros(4), jnp.zeros(4)),
    ],
    ids=lambda p: type(p).__name__,
)
def test_pixels_of_0_to_255(p, dtype):
    with pytest.raises(ValueError, match=rf"{type(p).__name__}.log_prob: x is {dtype.__name__}; expected floats"):
        p.log_prob(np.full(4, 200, dtype))


def test_pixels_of_another_shape_than_the_distribution():
    with pytest.raises(ValueError, match=r"x has shape \(8, 4\); expected \(4,\).*jax.vmap"):
        Bernoulli(jnp.zeros(4)).log_prob(BATCH)
    with pytest.raises(ValueError, match=r"x has shape \(1,\); expected \(4,\)"):
        Normal(jnp.zeros(4), 0.0).log_prob(jnp.ones(1))
    assert Normal(0.0, 0.0).log_prob(1) == pytest.approx(-0.5 - 0.5 * np.log(2 * np.pi))


@pytest.mark.parametrize("name", ["vae", "iwae", "iwae-dreg"])
def test_a_point_where_a_density_is_needed(key, name):
    """At β = 0 its undefined KL would give NaN, and its density of 0 and ∞ a finite bound that means nothing."""
    loss = LOSSES[name]
    rest = {"beta": 0.0} if name == "vae" else loss.sizes
    with pytest.raises(ValueError, match="needs a posterior with a density; got Delta, a point"):
        loss.function(key, BATCH[0], lambda x: Delta(x[:2]), decode, **rest)


@pytest.mark.parametrize("name", ["capacity", "free-bits", "beta-tc", "dip-i", "dip-ii", "factor", "info-vae"])
def test_points_in_a_batch_that_needs_densities(key, name):
    z, q = everything(key)
    batch = Batch(
        terms_of(z, q)._replace(posterior=Delta(z)), data_size=50, prior_samples=z, critics={"critic": jnp.sum}
    )
    with pytest.raises(ValueError, match="needs a posterior with a density; got Delta"):
        LOSSES[name].function(batch)


def test_array_codes_are_points_to_elbo_terms_as_to_autoencoders(key):
    terms = losses.elbo_terms(key, BATCH[0], lambda x: x[:2], decode)
    assert terms.z.tolist() == [1, 1] and np.isnan(terms.rate)


def test_what_is_no_distribution(key):
    with pytest.raises(TypeError, match=r"decode\(z\) must return a distribution.*got .*Array.*Bernoulli\(logits\)"):
        losses.negative_elbo(key, BATCH[0], encode, lambda z: jnp.zeros(4))
    with pytest.raises(TypeError, match=r"encode\(x\) must return a distribution.*got tuple"):
        losses.negative_elbo(key, BATCH[0], lambda x: (x, x), decode)


def test_no_samples(key):
    for name in ("negative_elbo", "importance_weighted"):
        with pytest.raises(ValueError, match="num_samples must be at least 1; got 0"):
            getattr(losses, name)(key, BATCH[0], encode, decode, num_samples=0)


def test_a_prior_of_another_size(key):
    with pytest.raises(ValueError, match=r"the prior is over \(3,\), and the code z is \(2,\)"):
        losses.negative_elbo(key, BATCH[0], encode, decode, prior=StandardNormal(3))


def test_the_standard_normal_is_static_in_a_compiled_function(key):
    prior = StandardNormal(3)
    assert jax.jit(lambda prior, z: prior.log_prob(z))(prior, jnp.zeros(3)) == pytest.approx(-1.5 * np.log(2 * np.pi))
    assert jax.jit(lambda prior, key: prior.sample(key))(prior, key).shape == prior.mean.shape == (3,)
    assert jax.tree.leaves(prior) == [] and hash(prior) == hash(StandardNormal(3))
