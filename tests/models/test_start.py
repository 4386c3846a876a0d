"""Where a decoder starts: an untrained model has the mean and the spread of its data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from recipes import initial

import vae_jax
from vae_jax.commands import train as train_command
from vae_jax.data import Examples, grey
from vae_jax.distributions import mean_of
from vae_jax.evaluation import evaluate_elbo
from vae_jax.models import LIKELIHOODS
from vae_jax.runs import Config, build
from vae_jax.runs.configuration.building import moments
from vae_jax.trained import train

SHARES = ("bernoulli", "gaussian-learned", "poisson")  # of what a likelihood needs, one of each kind shows it again
MODELS = [
    pytest.param(likelihood, model, marks=() if model == "dense" or likelihood in SHARES else pytest.mark.slow)
    for likelihood in LIKELIHOODS
    for model in ("dense", "conv")
]


@pytest.mark.parametrize(("likelihood", "model"), MODELS)
def test_an_untrained_model_has_the_moments_of_its_data(likelihood, model, tmp_path):
    """A convolution has one bias for all pixels: then they are the moments of all of them."""
    random = np.random.RandomState(0)
    counts = LIKELIHOODS[likelihood].support.value.startswith("the whole")
    x = np.clip(random.uniform(30, 220, (1, 8, 8, 1)) + 20 * random.randn(400, 8, 8, 1), 0, 255)
    x[:, :2] = 1  # as a border has it, which no geometric mean may follow
    if counts and model == "dense":
        x = x.reshape(400, -1)
    np.save(tmp_path / "x.npy", x.astype(np.uint8))
    flags = {"data": str(tmp_path / "x.npy"), "likelihood": likelihood, "model": model, "start": "data"}
    experiment = build(Config(**flags, batch_size=16, latent=2))
    recipe = experiment.recipe
    params = initial(recipe, jax.random.key(0), experiment.data.train).params
    mean, variance = moments(experiment.data.train, recipe.preprocess)
    if model == "conv":
        mean, variance = np.full_like(mean, mean.mean()), np.full_like(mean, variance.mean() + mean.var())
    p = jax.jit(jax.vmap(lambda z: recipe.model.decode(params, z)))(jnp.zeros((20, 2)))  # where kernels add nothing
    least = 2e-3 if not counts else 0  # of a probability; grey levels are cut off at 0 and 1
    of_levels = {"rtol": 0.02, "atol": 0.02} if likelihood.startswith("logistic") else {"rtol": 1e-3, "atol": least}
    np.testing.assert_allclose(mean_of(p), np.broadcast_to(mean, mean_of(p).shape), **of_levels)
    if likelihood == "gaussian-learned":
        np.testing.assert_allclose(p.variance, variance.mean(), rtol=1e-3)
    if likelihood == "gaussian-pixel":
        np.testing.assert_allclose(p.variance, np.broadcast_to(variance, p.variance.shape), rtol=1e-3, atol=2e-4)
    if likelihood.startswith("logistic"):  # held against draws, since grey levels end at 0 and 1
        draws = jax.vmap(lambda p, key: p.sample(key))(p, jax.random.split(jax.random.key(2), 20))
        assert np.var(np.asarray(draws) - mean) == pytest.approx(variance.mean(), rel=0.3)


def test_moments_are_numpys():
    x = np.random.RandomState(0).randint(0, 256, (1234, 3, 4, 1)).astype(np.uint8)
    mean, variance = moments(Examples(x), grey)
    np.testing.assert_allclose(mean, (x / 255).mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, (x / 255).var(0), rtol=1e-5)


def test_it_is_the_default_where_zero_would_be_far(tmp_path):
    x = np.full((40, 8, 8, 1), 50, np.uint8)
    np.save(tmp_path / "x.npy", x)
    for likelihood, start, far in (
        ("gaussian-learned", None, True),
        ("bernoulli", None, False),
        ("bernoulli", "data", True),
    ):
        flags = {"data": str(tmp_path / "x.npy"), "likelihood": likelihood, "start": start}
        experiment = build(Config(**flags, batch_size=16, latent=2))
        params = initial(experiment.recipe, jax.random.key(0), experiment.data.train).params
        assert bool(np.any(params["decoder"]["params"]["likelihood"]["bias"] != 0)) == far


def faces(n: int) -> np.ndarray:
    """Grey faces of 28×20 pixels that turn, speak and frown, with a noise of σ = 0.04."""
    random, (down, right) = np.random.RandomState(0), np.mgrid[:28, :20]
    images = []
    for t in np.linspace(0, 60, n):
        pose, mouth, light, brow = (np.sin(t * f + p) for f, p in ((1.0, 0), (0.37, 1), (0.61, 2), (0.23, 3)))
        x = right - 9.5 - 2.5 * pose
        face = 0.65 * np.exp(-((x / 7.5) ** 4) - ((down - 13.5) / 12.5) ** 4) * (1 + 0.03 * light * x)
        for side in (-3.2, 3.2):
            eye = (x - side - 0.8 * pose) / 1.6
            face -= 0.35 * np.exp(-(eye**2) - ((down - 9 - 0.4 * brow) / 1.1) ** 2)
            face -= 0.2 * np.exp(-((0.7 * eye) ** 2) - ((down - 6.5 - 1.2 * brow) / 0.7) ** 2)
        lips = ((x - 0.6 * pose) / (2.6 + 0.8 * mouth)) ** 2 + ((down - 20) / (0.9 + 0.9 * max(mouth, 0))) ** 2
        images.append(face - 0.4 * np.exp(-lips))
    noisy = np.array(images) + 0.04 * random.randn(n, 28, 20)
    return (255 * np.clip(noisy, 0, 1)).round().astype(np.uint8)[..., None]


@pytest.mark.slow
def test_a_learned_sigma_reaches_the_residual_in_twenty_epochs(tmp_path):
    """As many images as Frey's faces, at the defaults; from σ = 1 at the pace of a weight it would still be near 1."""
    np.save(tmp_path / "faces.npy", faces(1965))
    flags = {"data": str(tmp_path / "faces.npy"), "likelihood": "gaussian-learned"}
    train_command.main(Config(**flags, epochs=20, out=tmp_path / "run"))
    model = vae_jax.load(tmp_path / "run")
    q = model.encode(model.data.test.x)
    p = jax.vmap(lambda z: model.model.decode(model.params, z))(q.sample(jax.random.key(0)))
    residual = float(np.sqrt(((model.data.test.x / 255 - np.asarray(p.mean)) ** 2).mean()))
    assert float(np.sqrt(p.variance.mean())) == pytest.approx(residual, rel=0.05)
    assert (np.asarray(q.mean).var(0) > 0.01).sum() > 1


def test_poisson_reaches_the_optimum_of_a_code_that_says_nothing(tmp_path):
    """With a large β the code is the prior's: the best rates are the means, and the distortion is known exactly."""
    rates = np.array([0.3, 1.0, 4.0, 20.0])
    x = np.random.RandomState(0).poisson(rates, (4000, 4))
    np.save(tmp_path / "counts.npy", x)
    flags = {"data": str(tmp_path / "counts.npy"), "likelihood": "poisson", "beta": 1000.0, "learning_rate": 3e-3}
    experiment = build(Config(**flags, hidden=(8,), latent=2, epochs=40))
    params = train(experiment, progress=False).params
    found, x = (
        evaluate_elbo(experiment.recipe, params, jax.random.key(0), experiment.data.train),
        experiment.data.train.x,
    )
    optimum = -scipy.stats.poisson.logpmf(x, x.mean(0)).sum(1).mean()
    assert optimum - 1e-3 < found["distortion"] < optimum + 0.02 and found["rate"] < 0.01
