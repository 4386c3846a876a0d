"""Linear models trained to their exact optima, and the identities that hold without training."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from vae_jax import Normal, losses, training
from vae_jax.data import Examples
from vae_jax.evaluation import evaluate_elbo
from vae_jax.losses import LOSSES
from vae_jax.models import (
    NETWORKS,
    POSTERIORS,
    VAE,
    GaussianLikelihood,
    LearnedGaussianLikelihood,
    LinearGaussian,
    NetworkConfig,
    beta_vae_optimum,
    denoising_optimum,
    fit_pca,
    pca_optimum,
)
from vae_jax.training import Recipe, hyperparameters

EIGENVALUES = np.array([4.0, 2.0, 0.5, 0.3, 0.2, 0.2])
D, N, STEPS, LEARNING_RATE = 6, 256, 6000, 0.1


def samples(seed: int, n: int = N, d: int = D) -> np.ndarray:
    """Rows whose sample mean is 0 and whose sample covariance is exactly I."""
    x = np.random.RandomState(seed).randn(n, d)
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / n)).T


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    axes, _ = np.linalg.qr(np.random.RandomState(1).randn(D, D))
    return ((samples(2) * np.sqrt(EIGENVALUES)) @ axes.T + 3.0).astype(np.float32)


def adam_with_decay(learning_rate):
    schedule = optax.cosine_decay_schedule(1.0, STEPS)
    return optax.chain(
        optax.scale_by_adam(), optax.scale_by_schedule(schedule), optax.scale_by_learning_rate(learning_rate)
    )


def linear(loss: str, latent: int, likelihood, classes: int = 0) -> Recipe:
    config = NetworkConfig((D,), latent, (), classes=classes)
    posterior = POSTERIORS[LOSSES[loss].posterior](latent=latent)
    model = VAE(*NETWORKS["linear"].build(config), likelihood, posterior=posterior)
    return Recipe(model=model, loss=LOSSES[loss], batch_size=N, optimizer=adam_with_decay)


def steps(recipe: Recipe, key, hyper, data: Examples):
    """Each step sees all rows, in the order that they have: there is nothing to shuffle."""
    rows = jnp.broadcast_to(jnp.arange(N), (STEPS, N))
    return training.steps(recipe, training.init(recipe, jax.random.clone(key), data), key, hyper, data, rows)[0]


def fit(recipe: Recipe, data: Examples, seed: int = 0, **hyper):
    hyper = hyperparameters(recipe, **{"learning_rate": LEARNING_RATE, **hyper})
    return jax.jit(partial(steps, recipe))(jax.random.key(seed), hyper, jax.device_put(data)).params, hyper


@partial(jax.jit, static_argnums=0)
def exact_of_each(recipe: Recipe, params, data: Examples) -> tuple[jax.Array, jax.Array]:
    def one(x, y):
        q, origin = recipe.model.encode(params, x, y), jnp.zeros(recipe.model.encoder.latent)
        weights = jax.jacobian(lambda z: recipe.model.decode(params, z, y).mean)(origin)
        p = recipe.model.decode(params, origin, y)
        rates = losses.kl_standard_normal(q.mean, q.log_var)
        return -LinearGaussian(weights, p.mean, jnp.exp(p.log_var[0])).elbo(x, *q) - rates.sum(), rates

    return jax.vmap(one)(data.x, data.y)


def exact_terms(recipe: Recipe, params, data: Examples) -> tuple[float, np.ndarray]:
    """Distortion, and rate of each latent, of a linear model: means over the data, with no sample of z."""
    distortion, rates = exact_of_each(recipe, params, data)
    return float(distortion.mean()), np.asarray(rates.mean(axis=0))


def test_linear_vae_is_probabilistic_pca(x):
    recipe, data = linear("vae", 2, LearnedGaussianLikelihood()), Examples(x)
    params, _ = fit(recipe, data, learning_rate=LEARNING_RATE / 2)  # σ moves many times as far in a step
    optimum, variance = pca_optimum(EIGENVALUES, 2)
    distortion, rates = exact_terms(recipe, params, data)
    negative_elbo, rate = distortion + rates.sum(), rates.sum()
    assert negative_elbo == pytest.approx(optimum.negative_elbo, abs=1e-2)
    assert rate == pytest.approx(optimum.rate, abs=1e-2)
    (log_var,) = np.unique(recipe.model.decode(params, jnp.zeros(2)).log_var)
    assert np.exp(log_var) == pytest.approx(variance, rel=1e-2)
    # The evaluation draws one z an example: in the mean it is the exact value.
    found = [evaluate_elbo(recipe, params, jax.random.key(100 + seed), data) for seed in range(200)]
    drawn = np.array([result["negative_elbo"] for result in found])
    assert abs(drawn.mean() - negative_elbo) < 4 * drawn.std() / np.sqrt(200)
    assert found[0]["rate"] == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_probabilistic_pca_has_scikit_learns_likelihood(x, latent):
    """The optimum of the ELBO is the maximum likelihood: the bound is tight."""
    from sklearn.decomposition import PCA

    found = PCA(latent).fit(x)
    optimum, variance = pca_optimum(EIGENVALUES * N / (N - 1), latent)  # scikit-learn divides by n − 1
    assert variance == pytest.approx(found.noise_variance_, rel=1e-4)
    expected = optimum.negative_elbo - 0.5 * D / N  # its data have the other covariance
    assert -found.score(x) == pytest.approx(expected, abs=1e-3)


def test_linear_beta_vae_lands_on_its_rate_distortion_curve(x):
    """Three betas in one program, with the latents that collapse: λ_i ≤ βσ²."""
    betas, variance = np.array([0.3, 2.0, 6.0]), 0.4
    recipe, data = linear("vae", 3, GaussianLikelihood(scale=variance**0.5)), Examples(x)
    hyper = hyperparameters(recipe, learning_rate=LEARNING_RATE)
    hypers = {name: jnp.broadcast_to(leaf, (3,)) for name, leaf in hyper.items()} | {"beta": jnp.asarray(betas)}
    states = jax.jit(jax.vmap(partial(steps, recipe), (0, 0, None)))(
        jax.random.split(jax.random.key(0), 3), hypers, jax.device_put(data)
    )
    for i, beta in enumerate(betas):
        params = jax.tree.map(lambda leaf, i=i: leaf[i], states.params)
        distortion, per_latent = exact_terms(recipe, params, data)
        optimum = beta_vae_optimum(EIGENVALUES, 3, beta=beta, variance=variance)
        assert per_latent.sum() == pytest.approx(optimum.rate, abs=2e-2), beta
        assert distortion == pytest.approx(optimum.distortion, abs=2e-2), beta
        assert (np.sort(per_latent)[::-1] > 5e-3).tolist() == (EIGENVALUES[:3] > beta * variance).tolist()


def test_linear_autoencoder_is_pca(x):
    recipe, data = linear("ae", 2, GaussianLikelihood()), Examples(x)
    params, _ = fit(recipe, data)
    error = evaluate_elbo(recipe, params, jax.random.key(1), data)["mean_squared_error"]
    assert error == pytest.approx(EIGENVALUES[2:].sum(), abs=1e-3)  # Eckart-Young
    model, exact = fit_pca(x, 2)
    by_pca = evaluate_elbo(Recipe(model=model, loss=LOSSES["ae"]), exact, jax.random.key(1), data)
    assert by_pca["mean_squared_error"] == pytest.approx(EIGENVALUES[2:].sum(), abs=1e-4)
    assert by_pca["distortion"] == pytest.approx(0.5 * EIGENVALUES[2:].sum() + 0.5 * D * np.log(2 * np.pi), abs=1e-4)


def test_linear_denoising_autoencoder_reaches_its_optimum(x):
    """The error of x ↦ M x + c under noise of σ is ‖x − M x − c‖² + σ²‖M‖²."""
    recipe, data = linear("denoising", 3, GaussianLikelihood()), Examples(x)
    params, hyper = fit(recipe, data, noise=0.7)

    def reconstruct(x):
        return recipe.model.decode(params, recipe.model.encode(params, x).mean).mean

    matrix = jax.jacobian(reconstruct)(jnp.zeros(D))
    error = jnp.square(x - jax.vmap(reconstruct)(jnp.asarray(x))).sum(axis=1).mean() + 0.7**2 * jnp.square(matrix).sum()
    assert error == pytest.approx(denoising_optimum(EIGENVALUES, 3, noise=0.7), abs=1e-2)
    # The evaluation corrupts each example once: in the mean it is the exact value.
    found = np.array([evaluate_elbo(recipe, params, jax.random.key(s), data, hyper)["loss"] for s in range(40)])
    drawn = 2 * (found - 0.5 * D * np.log(2 * np.pi))
    assert abs(drawn.mean() - error) < 4 * drawn.std() / np.sqrt(40)


def test_linear_conditional_vae_is_probabilistic_pca_of_what_the_label_leaves(x):
    y = np.arange(N) % 4
    shifted = x + np.random.RandomState(3).randn(4, D).astype(np.float32)[y] * 2
    residual = shifted - np.stack([shifted[y == label].mean(0) for label in range(4)])[y]
    optimum, _ = pca_optimum(np.linalg.eigvalsh(residual.T @ residual / N), 2)
    recipe, data = linear("cvae", 2, LearnedGaussianLikelihood(), classes=4), Examples(shifted, y.astype(np.int32))
    params, _ = fit(recipe, data)
    distortion, rates = exact_terms(recipe, params, data)
    assert distortion + rates.sum() == pytest.approx(optimum.negative_elbo, abs=2e-2)
    assert rates.sum() == pytest.approx(optimum.rate, abs=2e-2)


def test_learned_sigma_is_the_error(x):
    """At its optimum the likelihood per dimension is ½ ln(2πe·MSE)."""
    recipe, data = linear("ae", 2, LearnedGaussianLikelihood()), Examples(x)
    params, _ = fit(recipe, data)
    result = evaluate_elbo(recipe, params, jax.random.key(1), data)
    expected = 0.5 * D * np.log(2 * np.pi * np.e * result["mean_squared_error"] / D)
    assert result["distortion"] == pytest.approx(expected, abs=1e-3)


class TestIdentity:
    """log p(x) = ELBO + KL(q ‖ p(z|x)) for any q, and the terms against SciPy."""

    model = LinearGaussian(jnp.array([[1.0, 0.2], [-0.5, 0.7], [0.3, 0.1]]), jnp.array([0.1, 0.2, 0.3]), jnp.array(0.4))

    @pytest.mark.parametrize("seed", range(5))
    def test_bound_and_gap_add_up(self, seed):
        x, (mean, log_var) = np.random.RandomState(seed).randn(3), np.random.RandomState(seed).randn(2, 2)
        bound, gap = (function(x, mean, log_var) for function in (self.model.elbo, self.model.kl_to_posterior))
        np.testing.assert_allclose(bound + gap, self.model.log_marginal(x), rtol=1e-5)
        covariance = self.model.weights @ self.model.weights.T + 0.4 * np.eye(3)
        expected = scipy.stats.multivariate_normal(self.model.bias, covariance).logpdf(x)
        np.testing.assert_allclose(self.model.log_marginal(x), expected, rtol=1e-5)
        assert gap > 0

    def test_losses_are_those_terms(self, key):
        """The package's negative ELBO, averaged over z, is the exact one."""
        x, q = jnp.array([0.3, -1.0, 0.5]), Normal(jnp.array([0.2, -0.1]), jnp.array([-1.0, -0.5]))
        decode = lambda z: Normal(self.model.weights @ z + self.model.bias, jnp.full(3, jnp.log(0.4)))
        values = jax.vmap(lambda key: losses.negative_elbo(key, x, lambda x: q, decode)[0])(
            jax.random.split(key, 50_000)
        )
        assert abs(-values.mean() - self.model.elbo(x, *q)) < 4 * values.std() / np.sqrt(50_000)


@pytest.mark.parametrize("latent", [4, 9, -1])
def test_probabilistic_pca_leaves_something_out(latent):
    with pytest.raises(ValueError, match="of 4 eigenvalues; expected fewer"):
        pca_optimum([4.0, 3.0, 2.0, 1.0], latent)
