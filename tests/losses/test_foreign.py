"""Objects of other libraries, whatever their conventions: every loss gives what it gives with ours."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from foreign import DistraxBernoulli, DistraxNormal
from numpyro.distributions.flows import InverseAutoregressiveTransform

from vae_jax import Bernoulli, Mixture, Normal, StandardNormal, losses
from vae_jax.losses import Batch

X = jnp.array([1.0, 0.0, 1.0, 1.0])
ENCODERS = {
    "ours": lambda m, s: Normal(m, 2 * jnp.log(s)),
    "distrax": DistraxNormal,
    "numpyro": dist.Normal,
    "numpyro event": lambda m, s: dist.Normal(m, s).to_event(1),
}
DECODERS = {
    "ours": Bernoulli,
    "distrax": DistraxBernoulli,
    "numpyro": lambda logits: dist.Bernoulli(logits=logits),
    "numpyro event": lambda logits: dist.Bernoulli(logits=logits).to_event(1),
}


def coders(library, shift=0.0):
    def encode(x):
        return ENCODERS[library](x[:2] - 0.3 + shift, jnp.array([0.5, 0.8]) + x[2:4] / 4)

    return encode, lambda z: DECODERS[library](jnp.concatenate([z, 2 * z]))


@pytest.mark.parametrize("library", [name for name in ENCODERS if name != "ours"])
@pytest.mark.parametrize("name", ["autoencoder", "denoising", "sparse", "negative_elbo", "importance_weighted"])
def test_a_loss_of_one_example_takes_their_distributions(key, library, name):
    rest = {"num_samples": 3, "estimator": "dreg"} if name == "importance_weighted" else {}

    def value(shift, library):
        return getattr(losses, name)(jax.random.clone(key), X, *coders(library, shift), **rest)[0]

    if name == "negative_elbo":  # theirs estimate the KL from z
        kl = losses.elbo_terms(jax.random.clone(key), X, *coders(library))
        np.testing.assert_allclose(
            kl.rate, kl.posterior.log_prob(kl.z).sum() - dist.Normal().log_prob(kl.z).sum(), 1e-5
        )
        np.testing.assert_allclose(
            value(0.0, library) - kl.rate,
            value(0.0, "ours") - sum(losses.elbo_terms(jax.random.clone(key), X, *coders("ours")).kl),
            rtol=1e-5,
        )
        return
    both = jax.jit(jax.value_and_grad(value), static_argnames="library")
    np.testing.assert_allclose(both(0.0, library), both(0.0, "ours"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("library", ["distrax", "numpyro", "numpyro event"])
@pytest.mark.parametrize("covariance", ["means", "codes"])
def test_dip_takes_them_lifted_by_vmap_or_built_as_a_batch(key, library, covariance):
    x = jnp.round(jax.random.uniform(key, (6, 4)))

    def penalty(library, build):
        dip = lambda: losses.dip(Batch(build(library)._replace(kl=jnp.zeros((6, 1)))), covariance=covariance)
        return jax.jit(dip)()

    def lifted(library):
        keys = jax.random.split(jax.random.key(1), 6)
        return jax.vmap(lambda key, x: losses.elbo_terms(key, x, *coders(library)))(keys, x)

    def built(library):
        terms = lifted(library)
        return terms._replace(posterior=ENCODERS[library](x[:, :2] - 0.3, jnp.array([[0.5, 0.8]]) + x[:, 2:4] / 4))

    expected = penalty("ours", lifted)
    np.testing.assert_allclose(penalty(library, lifted), expected, rtol=1e-5)
    np.testing.assert_allclose(penalty(library, built), expected, rtol=1e-5)


@pytest.mark.parametrize("library", list(DECODERS))
def test_a_decoder_of_another_shape_is_refused_whatever_its_library(key, library):
    """`[4, 1]` against `[4]` would broadcast to sixteen terms, 11.09 nats for 2.77."""
    decode = lambda z: DECODERS[library](jnp.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"over x's shape \(4,\); got one over \(4, 1\).*jax.vmap"):
        losses.negative_elbo(key, X, coders(library)[0], decode)


# Parameters out of reach: q = N(m, s²), as an autoregressive flow whose network holds them in its closure.


def flow(mean, log_scale):
    network = lambda z: (mean + 0 * z, log_scale + 0 * z)
    return dist.TransformedDistribution(
        dist.Normal(jnp.zeros(1), 1).to_event(1), InverseAutoregressiveTransform(network)
    )


@pytest.mark.parametrize("estimator", ["iwae", "stl", "dreg"])
@pytest.mark.parametrize("k", [1, 4])
def test_parameters_in_closures_are_held_fixed_like_any_others(key, estimator, k):
    def loss(q, build):
        how = {"num_samples": k, "estimator": estimator}
        encode = lambda x: build(q["mean"], q["log_scale"])
        decode = lambda z: Normal(z, jnp.zeros(1))
        return losses.importance_weighted(jax.random.clone(key), jnp.array([1.2]), encode, decode, **how)[0]

    q = {"mean": jnp.array([-0.3]), "log_scale": jnp.array([0.3])}
    ours = jax.jit(jax.value_and_grad(lambda q: loss(q, lambda mean, log_scale: Normal(mean, 2 * log_scale))))(q)
    theirs = jax.jit(jax.value_and_grad(lambda q: loss(q, flow)))(q)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, theirs)


@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
def test_the_gradient_of_a_flow_is_that_of_the_bound(key, estimator):
    """k = 4, off the posterior, where a density that is not held fixed gets the sign of both wrong."""

    def loss(q, key):
        encode, decode = lambda x: flow(q[:1], q[1:]), lambda z: Normal(z, jnp.zeros(1))
        how = {"num_samples": 4, "estimator": estimator}
        return losses.importance_weighted(key, jnp.array([1.2]), encode, decode, **how)[0]

    def oracle(q, key):
        z = q[0] + jnp.exp(q[1]) * jax.random.normal(key, (4,))
        log_w = Normal(0.0, 0.0).log_prob
        weights = jax.vmap(lambda z: log_w(1.2 - z) + log_w(z) - log_w((z - q[0]) / jnp.exp(q[1])) + q[1])(z)
        return jnp.log(4) - jax.nn.logsumexp(weights)

    def mean_gradient(function, key, count=40_000):
        values = jax.jit(jax.vmap(jax.grad(function), (None, 0)))(jnp.array([-0.3, 0.3]), jax.random.split(key, count))
        return values.mean(axis=0), values.std(axis=0) / np.sqrt(count)

    key_ours, key_oracle = jax.random.split(key)
    (found, error), (expected, other) = mean_gradient(loss, key_ours), mean_gradient(oracle, key_oracle)
    assert np.all(np.abs(found - expected) < 4 * np.hypot(error, other))


NOT_REPARAMETRISED = {
    "Mixture": lambda: Mixture(jnp.zeros(2), jnp.zeros((2, 1)), jnp.zeros((2, 1))),
    "MixtureSameFamily": lambda: dist.MixtureSameFamily(
        dist.Categorical(jnp.ones(2) / 2), dist.Normal(jnp.zeros((2, 1)), 1.0).to_event(1)
    ),
    "Independent": lambda: dist.Poisson(jnp.ones(1)).to_event(1),
}


@pytest.mark.parametrize("name", NOT_REPARAMETRISED)
def test_samples_without_a_gradient_are_refused(key, name):
    """The gradient of the encoder would silently be 0 where the choice of a component or a count matters."""
    encode, decode = lambda x: NOT_REPARAMETRISED[name](), lambda z: Normal(z.astype(float), jnp.zeros(1))
    for loss, rest in ((losses.negative_elbo, {}), (losses.importance_weighted, {"num_samples": 2})):
        with pytest.raises(ValueError, match=f"the samples of {name} have no gradient to its parameters"):
            loss(key, jnp.ones(1), encode, decode, **rest)


@pytest.mark.parametrize(
    "point",
    [dist.Delta(X[:2]), dist.Delta(X[:2]).to_event(1), dist.Delta(0.0).expand([2])],
    ids=["", "event", "expanded"],
)
def test_points_of_other_libraries_are_points(key, point):
    for loss, rest in ((losses.negative_elbo, {}), (losses.importance_weighted, {"num_samples": 2})):
        with pytest.raises(ValueError, match=r"needs a posterior with a density; got .*, a point"):
            loss(key, X, lambda x: point, coders("ours")[1], **rest)


@pytest.mark.parametrize("prior", [Normal(0.0, 0.0), dist.Normal(0.0, 1.0), dist.Normal(jnp.zeros(2), 1.0).to_event(1)])
@pytest.mark.parametrize("library", ["ours", "numpyro event"])
def test_a_scalar_prior_is_that_of_every_latent(key, prior, library):
    encode, decode = coders(library)
    for loss, rest in ((losses.negative_elbo, {}), (losses.importance_weighted, {"num_samples": 3})):
        value = jax.jit(partial(loss, x=X, encode=encode, decode=decode, **rest))
        found, expected = (value(jax.random.clone(key), prior=p)[0] for p in (prior, StandardNormal(2)))
        if loss is losses.negative_elbo and library == "ours":
            continue  # closed form against an estimate
        np.testing.assert_allclose(found, expected, rtol=1e-5)
