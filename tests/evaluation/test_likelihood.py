"""log p(x) by importance sampling, against models where it is known."""

from dataclasses import replace
from itertools import pairwise

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vae_jax import Normal
from vae_jax.data import Examples
from vae_jax.evaluation import likelihood, log_likelihood
from vae_jax.evaluation.likelihood import ladder, split
from vae_jax.losses import LOSSES
from vae_jax.models import VAE, DenseDecoder, DenseEncoder, LinearGaussian
from vae_jax.models.priors import LabelPrior
from vae_jax.training import Recipe

MODEL = LinearGaussian(jnp.array([[1.0, 0.2], [-0.5, 0.7], [0.3, 0.1]]), jnp.array([0.1, 0.2, 0.3]), jnp.array(0.4))


class Fixed(nn.Module):
    """A Gaussian likelihood of the model's σ²."""

    @nn.compact
    def __call__(self, h):
        return Normal(h, jnp.full_like(h, jnp.log(0.4)))


def linear_recipe(spread: float, model: LinearGaussian = MODEL) -> tuple[Recipe, dict]:
    """The model as a VAE whose q has the posterior's mean and a diagonal variance, `spread` times the posterior's."""
    _, covariance = model.posterior(jnp.zeros(3))
    gain = covariance @ model.weights.T / model.variance
    kernel = jnp.concatenate([gain.T, jnp.zeros((3, 2))], axis=1)
    bias = jnp.concatenate([-gain @ model.bias, jnp.log(spread * jnp.diag(covariance))])
    params = {
        "encoder": {"params": {"posterior": {"kernel": kernel, "bias": bias}}},
        "decoder": {"params": {"likelihood": {"kernel": model.weights.T, "bias": model.bias}}},
        "likelihood": {},
    }
    return Recipe(model=VAE(DenseEncoder(2, ()), DenseDecoder((3,), ()), Fixed())), params


@pytest.fixture
def x() -> np.ndarray:
    return np.random.RandomState(0).randn(200, 3).astype(np.float32)


@pytest.mark.parametrize("num_samples", [1, 10, 100, 1000, 5000])
def test_importance_sampling_finds_log_p(x, num_samples, key):
    recipe, params = linear_recipe(spread=1.5)
    exact = np.asarray(jax.vmap(MODEL.log_marginal)(x))
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=num_samples)
    gap = found.per_example - exact
    assert found.samples == num_samples
    assert found.error == pytest.approx(exact.std(ddof=1) / np.sqrt(200), rel=0.2)
    if num_samples >= 100:
        assert found.sampling_error == pytest.approx(gap.std() / np.sqrt(200), rel=0.3)
        assert abs(gap.mean()) < 3 * found.sampling_error < 0.04
        assert 0.5 * num_samples < found.effective_samples <= num_samples
    else:  # fewer samples: a lower bound in expectation
        assert gap.mean() < 0.01


def test_a_conditional_model_has_log_p_of_x_given_its_label(x, key):
    """p(x|y) = N(W μ_y + b, W diag(σ²_y) Wᵀ + 0.4 I): the prior's label is the example's own."""
    y = (np.arange(200) % 2).astype(np.int32)
    means, log_vars = np.array([[0.8, -0.5], [-0.6, 0.9]]), np.array([[0.2, -0.3], [-0.2, 0.1]])
    recipe, params = linear_recipe(spread=1.5)
    model = VAE(DenseEncoder(2, (), classes=2), DenseDecoder((3,), (), classes=2), Fixed(), LabelPrior(2, 2))
    for part in (params["encoder"]["params"]["posterior"], params["decoder"]["params"]["likelihood"]):
        part["kernel"] = jnp.concatenate([part["kernel"], jnp.zeros((2, part["kernel"].shape[1]))])  # of the label
    params["prior"] = {"params": {"mean": jnp.asarray(means), "log_var": jnp.asarray(log_vars)}}
    recipe = replace(recipe, model=model, loss=LOSSES["cvae"])
    found = log_likelihood(recipe, params, key, Examples(x, y), num_samples=2000).per_example
    w, b = np.asarray(MODEL.weights), np.asarray(MODEL.bias)
    of_label = [
        scipy.stats.multivariate_normal(w @ mean + b, w @ np.diag(np.exp(log_var)) @ w.T + 0.4 * np.eye(3))
        for mean, log_var in zip(means, log_vars, strict=True)
    ]
    exact = np.array([of_label[label].logpdf(one) for one, label in zip(x, y, strict=True)])
    assert abs((found - exact).mean()) < 0.02 and np.abs(found - exact).max() < 0.5


@pytest.mark.parametrize("num_samples", [1, 7, 50, 1000, 5000])
def test_with_the_exact_posterior_any_number_of_samples_gives_log_p(x, num_samples, key):
    """Orthogonal columns of W: the posterior is diagonal, and every weight is p(x)."""
    model = LinearGaussian(jnp.array([[1.0, 0.5], [-0.5, 1.0], [0.0, 0.0]]), MODEL.bias, MODEL.variance)
    recipe, params = linear_recipe(spread=1.0, model=model)
    exact = np.asarray(jax.vmap(model.log_marginal)(x))
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=num_samples)
    np.testing.assert_allclose(found.per_example, exact, atol=2e-4)
    np.testing.assert_allclose(found.effective_samples, num_samples, rtol=1e-4)


def test_the_bound_never_falls_with_samples(x, key):
    recipe, params = linear_recipe(spread=3.0)
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=5000)
    assert list(found.bounds) == [1, 50, 500, 5000]
    bounds = [mean for mean, _ in found.bounds.values()]
    assert np.all(np.diff(bounds) > 0) and bounds[-1] == found.log_likelihood
    posterior = jax.vmap(lambda x: recipe.model.encode(params, x))(x)
    elbo = jax.vmap(MODEL.elbo)(x, posterior.mean, posterior.log_var).mean()
    assert bounds[0] == pytest.approx(float(elbo), abs=5e-3)


@pytest.mark.parametrize("samples", [1, 50, 60, 128, 997, 1000, 1300, 5000])
def test_samples_go_in_equal_chunks_whose_bounds_nest(samples):
    chunks, chunk = split(samples, 50)
    assert chunk <= 50 and (chunks * chunk == samples or samples == 997 < chunks * chunk < 997 + 50)
    steps = ladder(chunks, chunk)
    assert steps[0] == 1 and steps[-1] == chunks * chunk
    assert all(later % earlier == 0 for earlier, later in pairwise(steps))


def test_every_example_has_the_samples_that_were_asked_for(x, key, monkeypatch):
    """Another library takes a batch's worth of samples where fewer are asked for, and drops the last images."""
    recipe, params = linear_recipe(spread=2.0)
    how = {"num_samples": 20, "chunk": 10}
    whole = log_likelihood(recipe, params, jax.random.clone(key), Examples(x), **how)
    monkeypatch.setattr(likelihood, "CALL", 64)
    parts = log_likelihood(recipe, params, jax.random.clone(key), Examples(x), **how)
    assert whole.samples == 20 and len(parts.per_example) == 200
    np.testing.assert_allclose(parts.per_example, whole.per_example, rtol=1e-5)
    alone = log_likelihood(recipe, params, key, Examples(x[:3]), **how)
    np.testing.assert_allclose(alone.per_example, whole.per_example[:3], rtol=1e-5)


def test_memory_does_not_grow_with_samples(key):
    """What the compiled program holds, for images of MNIST's size."""
    model = VAE(DenseEncoder(20), DenseDecoder((28, 28, 1)))
    data = Examples(np.zeros((20, 28, 28, 1), np.uint8))
    params = jax.eval_shape(model.init, jax.random.clone(key), data.x[0] / 255.0)
    keys = jax.random.split(key, 20)
    peaks = []
    for chunks in (1, 100):
        compiled = likelihood._estimate.lower(Recipe(model=model), params, keys, data, chunks, 50).compile()
        peaks.append(compiled.memory_analysis().temp_size_in_bytes)
    assert 1e6 < peaks[1] <= 1.2 * peaks[0]


def test_points_have_no_density(x, key):
    recipe, params = linear_recipe(spread=1.0)
    recipe = Recipe(model=recipe.model, loss=LOSSES["ae"])
    with pytest.raises(ValueError, match="needs a density"):
        log_likelihood(recipe, params, key, Examples(x))


def test_few_effective_samples_are_not_called_log_p(x, key):
    """A posterior far too narrow, as β = 0 leaves it: the estimate is a bound, and says so."""
    recipe, params = linear_recipe(spread=0.02)
    exact = np.asarray(jax.vmap(MODEL.log_marginal)(x)).mean()
    narrow = log_likelihood(recipe, params, jax.random.clone(key), Examples(x), num_samples=500)
    assert narrow.log_likelihood < exact - 0.05 and not narrow.converged and narrow.remaining > 0.05
    recipe, params = linear_recipe(spread=1.5)
    wide = log_likelihood(recipe, params, jax.random.clone(key), Examples(x), num_samples=500)
    assert wide.converged and wide.remaining < 0.01
    one = log_likelihood(recipe, params, key, Examples(x), num_samples=1)
    assert not one.converged and np.isnan(one.remaining) and one.gains == {}


@pytest.mark.parametrize(
    ("spread", "shift", "num_samples"), [(0.2, 1.0, 1000), (0.3, 1.0, 1000), (0.3, 1.0, 5000), (0.15, 0.0, 5000)]
)
def test_weights_of_infinite_variance_are_not_called_converged(spread, shift, num_samples, key):
    """One latent, q narrower than the posterior and beside it: every sample misses the tail that matters."""
    model = LinearGaussian(jnp.array([[1.0], [-0.5], [0.3]]), jnp.zeros(3), jnp.array(0.4))
    _, covariance = model.posterior(jnp.zeros(3))
    deviation = jnp.sqrt(covariance[0, 0])
    gain = covariance @ model.weights.T / model.variance
    bias = jnp.array([shift * deviation, jnp.log(spread * covariance[0, 0])])
    kernel = jnp.concatenate([gain.T, jnp.zeros((3, 1))], axis=1)
    params = {
        "encoder": {"params": {"posterior": {"kernel": kernel, "bias": bias}}},
        "decoder": {"params": {"likelihood": {"kernel": model.weights.T, "bias": model.bias}}},
        "likelihood": {},
    }
    recipe = Recipe(model=VAE(DenseEncoder(1, ()), DenseDecoder((3,), ()), Fixed()))
    x = np.random.RandomState(0).randn(100, 3).astype(np.float32)
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=num_samples)
    gap = float(jax.vmap(model.log_marginal)(x).mean()) - found.log_likelihood
    assert gap > 0.04 and not found.converged


def test_gains_are_paired(x, key):
    """The error of a gain is that of its own differences, not of the spread over examples."""
    recipe, params = linear_recipe(spread=3.0)
    found = log_likelihood(recipe, params, key, Examples(x), num_samples=5000)
    bounds = list(found.bounds.values())
    assert list(found.gains) == list(found.bounds)[1:]
    for (gain, error), (before, spread), (after, _) in zip(found.gains.values(), bounds, bounds[1:], strict=False):
        assert gain == pytest.approx(after - before, abs=1e-5) and error < spread / 3
