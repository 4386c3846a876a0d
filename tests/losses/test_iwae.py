"""The importance-weighted bound and its three gradients, on models whose log p(x) is known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import RenyiELBO

from vae_jax import Normal, losses

X = jnp.array([1.2])
LOG_P = float(Normal(jnp.zeros(1), jnp.log(2.0) * jnp.ones(1)).log_prob(X))  # x = z + noise: N(0, 2)
POSTERIOR = {"mean": 0.5 * X, "log_var": jnp.log(0.5) * jnp.ones(1)}
OTHER = {"mean": jnp.array([-0.3]), "log_var": jnp.array([0.6])}


def bound_loss(q, weight, key, *, num_samples, estimator="iwae", chunk=None):
    return losses.importance_weighted(
        key,
        X,
        lambda x: Normal(q["mean"], q["log_var"]),
        lambda z: Normal(weight * z, jnp.zeros(1)),
        num_samples=num_samples,
        estimator=estimator,
        chunk=chunk,
    )[0]


def gradients(q, key, *, count, **how):
    """Gradients with respect to q, `[count]` each."""
    keys = jax.random.split(key, count)
    return jax.jit(jax.vmap(jax.grad(partial(bound_loss, **how)), (None, None, 0)))(q, 1.0, keys)


def test_the_bound_never_falls_with_k_and_reaches_log_p(key):
    bounds = []
    for k in (1, 5, 64):
        values = -jax.jit(jax.vmap(partial(bound_loss, OTHER, 1.0, num_samples=k)))(jax.random.split(key, 20_000))
        bounds.append((values.mean(), values.std() / np.sqrt(20_000)))
        key = jax.random.fold_in(key, k)
    means, errors = np.array(bounds).T
    assert np.all(np.diff(means) > 3 * errors[1:])
    assert np.all(means < LOG_P + 3 * errors) and means[-1] > LOG_P - 0.01
    # k = 1 is the ELBO: log p − KL(q ‖ posterior), exactly.
    kl = losses.kl_normal(OTHER["mean"], OTHER["log_var"], POSTERIOR["mean"], POSTERIOR["log_var"]).sum()
    assert abs(means[0] - (LOG_P - kl)) < 4 * errors[0]


def test_the_bound_is_numpyros_renyi_elbo(key):
    """Rényi's bound with α = 0 is the importance-weighted one; they draw differently, so means are compared."""

    def model():
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=X[0])

    def guide():
        numpyro.sample("z", dist.Normal(OTHER["mean"][0], jnp.exp(0.5 * OTHER["log_var"][0])))

    key_ours, key_theirs = jax.random.split(key)
    renyi = RenyiELBO(alpha=0.0, num_particles=5)
    with jax.debug_key_reuse(False):
        theirs = jax.vmap(lambda key: renyi.loss(key, {}, model, guide))(jax.random.split(key_theirs, 20_000))
    ours = jax.jit(jax.vmap(partial(bound_loss, OTHER, 1.0, num_samples=5)))(jax.random.split(key_ours, 20_000))
    error = np.hypot(ours.std(), theirs.std()) / np.sqrt(20_000)
    assert abs(ours.mean() - theirs.mean()) < 4 * error < 0.2


@pytest.mark.parametrize("k", [1, 16])
def test_at_the_posterior_the_gradients_of_stl_and_dreg_are_zero(key, k):
    with jax.enable_x64(True):
        exact = {"mean": jnp.asarray(X, jnp.float64) / 2, "log_var": jnp.log(jnp.full(1, 0.5, jnp.float64))}
        found = {
            estimator: gradients(exact, jax.random.clone(key), count=100, num_samples=k, estimator=estimator)
            for estimator in ("iwae", "stl", "dreg")
        }
        largest = {name: max(float(abs(leaf).max()) for leaf in of_q.values()) for name, of_q in found.items()}
    assert largest["stl"] < 1e-12 and largest["dreg"] < 1e-12
    assert largest["iwae"] > 0.05  # the score's noise, which the others drop


def test_dreg_is_unbiased_and_calmer_and_stl_is_biased(key):
    """Against the gradient of the bound itself, over 400,000 draws of each."""
    key_reference, key_dreg, key_stl = jax.random.split(key, 3)
    count = 400_000
    how = {"count": count, "num_samples": 8}
    reference = gradients(OTHER, key_reference, estimator="iwae", **how)
    dreg = gradients(OTHER, key_dreg, estimator="dreg", **how)
    stl = gradients(OTHER, key_stl, estimator="stl", **how)
    bias = {}
    for name in OTHER:
        ours = {"iwae": reference[name], "dreg": dreg[name], "stl": stl[name]}
        mean = {which: float(values.mean()) for which, values in ours.items()}
        error = {which: float(values.std()) / np.sqrt(count) for which, values in ours.items()}
        assert abs(mean["dreg"] - mean["iwae"]) < 3 * np.hypot(error["dreg"], error["iwae"])
        assert dreg[name].var() < 0.5 * reference[name].var()
        bias[name] = (mean["stl"] - mean["iwae"]) / np.hypot(error["stl"], error["iwae"])
    assert max(abs(value) for value in bias.values()) > 10


@pytest.mark.parametrize("estimator", ["iwae", "stl", "dreg"])
def test_the_decoders_gradient_is_the_bounds_whatever_the_estimator(key, estimator):
    slope = jax.jit(jax.grad(partial(bound_loss, num_samples=5), argnums=1))
    found = jax.jit(jax.grad(partial(bound_loss, num_samples=5, estimator=estimator), argnums=1))
    np.testing.assert_allclose(found(OTHER, 0.7, jax.random.clone(key)), slope(OTHER, 0.7, key), rtol=1e-5)


def test_one_sample_stl_and_dreg_are_the_same(key):
    """With k = 1 there is one weight, 1."""
    stl, dreg = (
        gradients(OTHER, jax.random.clone(key), count=4, num_samples=1, estimator=estimator)
        for estimator in ("stl", "dreg")
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), stl, dreg)


@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_change_nothing(key, estimator, chunk):
    how = {"num_samples": 10, "estimator": estimator}
    whole = jax.jit(jax.value_and_grad(partial(bound_loss, **how)))(OTHER, 1.0, jax.random.clone(key))
    parts = jax.jit(jax.value_and_grad(partial(bound_loss, chunk=chunk, **how)))(OTHER, 1.0, key)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), parts, whole)


def test_chunks_bound_the_memory(key):
    """The gradient's own working memory, as the compiler accounts for it."""

    def working(chunk):
        weights = jnp.zeros((4000, 2))

        def loss(weights):
            return losses.importance_weighted(
                key,
                jnp.zeros(4000),
                lambda x: Normal(x[:2], x[:2]),
                lambda z: Normal(jnp.tanh(weights @ z), jnp.zeros(4000)),
                num_samples=256,
                chunk=chunk,
            )[0]

        return jax.jit(jax.grad(loss)).lower(weights).compile().memory_analysis().temp_size_in_bytes

    assert working(8) < 0.2 * working(None)


def test_terms_are_the_elbos(key):
    """Distortion is the mean over the samples; the rate is that of q."""
    encode, decode = lambda x: Normal(x, -x), lambda z: Normal(z, jnp.zeros(2))
    x = jnp.array([0.4, -0.2])
    _, terms = losses.importance_weighted(jax.random.clone(key), x, encode, decode, num_samples=20_000)
    expected = 0.5 * (2 * np.log(2 * np.pi) + np.exp(-x).sum())  # E (x − z)² = σ²
    np.testing.assert_allclose(terms.distortion, expected, rtol=0.02)
    np.testing.assert_allclose(terms.kl, losses.kl_standard_normal(x, -x), rtol=1e-6)
    _, single = losses.negative_elbo(key, x, encode, decode, num_samples=20_000)
    np.testing.assert_allclose(single.distortion, expected, rtol=0.02)


def test_what_cannot_be_is_refused(key):
    with pytest.raises(ValueError, match="estimator must be one of iwae, stl, dreg; got 'vimco'"):
        bound_loss(OTHER, 1.0, key, num_samples=2, estimator="vimco")
    with pytest.raises(ValueError, match="num_samples must be at least 1; got 0"):
        bound_loss(OTHER, 1.0, key, num_samples=0)


@pytest.mark.parametrize("estimator", ["iwae", "stl", "dreg"])
def test_the_terms_are_those_of_the_elbo_and_so_are_their_gradients(key, estimator):
    """Whoever penalises the terms gets the same penalty under each estimator."""

    def distortion(mean, estimator):
        encode, decode = lambda x: Normal(mean, OTHER["log_var"]), lambda z: Normal(z, jnp.zeros(1))
        key_loss = jax.random.clone(key)
        terms = losses.importance_weighted(key_loss, X, encode, decode, num_samples=4, estimator=estimator)[1]
        return terms.distortion + terms.rate

    slope = jax.jit(jax.grad(distortion), static_argnums=1)
    found, expected = (slope(OTHER["mean"], name) for name in (estimator, "iwae"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(4))
    z = OTHER["mean"][None] + jnp.exp(0.5 * OTHER["log_var"])[None] * jax.vmap(lambda k: jax.random.normal(k, (1,)))(
        keys
    )
    np.testing.assert_allclose(found, (z - X[None]).mean(axis=0) + OTHER["mean"], rtol=1e-5)
