"""A part of each kind in one new file of the package: nothing else is touched, and the commands know it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = {
    "losses": """
from vae_jax.losses.elbo import elbo_terms
from vae_jax.losses.loss import LOSSES

@LOSSES.register("newcomer")
def newcomer(key, x, encode, decode, *, prior=None, weight=1.0):
    '''Newcomer: a weighted ELBO.'''
    terms = elbo_terms(key, x, encode, decode, prior=prior)
    return terms.distortion + weight * terms.rate, terms
""",
    "models/networks": """
from vae_jax.models.networks.dense import DenseDecoder, DenseEncoder
from vae_jax.models.networks.network import NETWORKS

@NETWORKS.register("newcomer", hidden=(8,))
def newcomer(config):
    '''Newcomer: dense, narrow.'''
    return (
        DenseEncoder(config.latent, config.hidden, numbers=config.numbers),
        DenseDecoder(config.decoded, config.hidden),
    )
""",
    "models": """
from typing import ClassVar
import flax.linen as nn
import jax.numpy as jnp
from vae_jax.distributions import Normal, Support
from jax import Array
from typing import NamedTuple
import jax
from vae_jax.models import LIKELIHOODS, POSTERIORS, PRIORS, Likelihood, Posterior, Prior

@LIKELIHOODS.register("newcomer")
class NarrowLikelihood(Likelihood):
    '''Newcomer: a normal of σ = ½.'''
    @nn.compact
    def __call__(self, h):
        return Normal(h, jnp.full_like(h, -1.4))

@PRIORS.register("newcomer")
class WidePrior(Prior):
    '''Newcomer: a wider normal.'''
    latent: int

    @classmethod
    def of(cls, config):
        return cls(latent=config.latent)

    @nn.compact
    def __call__(self, encode, y=None):
        return Normal(jnp.zeros(self.latent), jnp.ones(self.latent))

class Laplace(NamedTuple):
    mean: Array
    log_scale: Array

    def sample(self, key):
        return self.mean + jnp.exp(self.log_scale) * jax.random.laplace(key, self.mean.shape)

    def log_prob(self, x):
        return jnp.sum(-jnp.abs(x - self.mean) * jnp.exp(-self.log_scale) - self.log_scale - jnp.log(2.0))

@POSTERIORS.register("newcomer")
class LaplacePosterior(Posterior):
    '''Newcomer: a Laplace for each latent.'''
    @nn.compact
    def __call__(self, h, prior):
        return Laplace(*jnp.split(h, 2))
""",
    "data/sources": """
import numpy as np
from vae_jax.data.dataset import DATASETS, Examples, Factors, split

@DATASETS.register("newcomer", epochs=2)
def newcomer(folder):
    '''Newcomer: bars at known places.'''
    x = np.zeros((8, 8, 8, 8, 1), np.uint8)
    for row, column in np.ndindex(8, 8):
        x[row, column, row] = x[row, column, :, column] = 255
    x = x.reshape(-1, 8, 8, 1)
    data = split("newcomer", Examples(np.repeat(x, 4, axis=0)), validation=0.1, test=0.2)
    return data._replace(factors=Factors(("row", "column"), (8, 8), lambda start, stop: x[start:stop]))
""",
    "data": """
from vae_jax.data.preprocess import PREPROCESS

@PREPROCESS.register("inverted")
def inverted(key, x):
    '''White on black.'''
    return 1.0 - x.astype("float32") / 255
""",
    "training": """
import optax
from vae_jax.training.optimizers import OPTIMIZERS

@OPTIMIZERS.register("newcomer")
def newcomer(learning_rate, momentum=0.5):
    '''Newcomer: gradient descent with momentum.'''
    return optax.sgd(learning_rate, momentum)
""",
    "evaluation/metrics": """
from vae_jax.evaluation.metrics.score import SCORES

@SCORES.register("newcomer")
def newcomer(random, representation):
    '''Newcomer: the variance of the codes.'''
    return float(representation.sample(random, 100)[1].var())
""",
    "plots": """
from vae_jax.plots import charts
from vae_jax.plots.plot import PLOTS

@PLOTS.register("newcomer")
def newcomer(model, path, evaluation):
    '''Newcomer: the codes, in order.'''
    means = model.test_codes.mean
    charts.curves(range(len(means)), {"z1": means[:, 0]}, path, title="", x_label="", y_label="")
""",
}


@pytest.mark.slow
def test_one_file_makes_a_part_of_any_kind(tmp_path):
    """Loss, network, likelihood, prior, posterior, data set, preprocessing, optimiser, metric and plot."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("vae_jax", "experiments"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for folder, text in PARTS.items():
        (tmp_path / "vae_jax" / folder / "newcomer.py").write_text(text)

    def run(script: str, *flags: str) -> str:
        program = [sys.executable, str(tmp_path / "experiments" / f"{script}.py"), *flags]
        paths = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=paths, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    kinds = ("data", "loss", "model", "likelihood", "prior", "posterior", "optimizer")
    chosen = [text for kind in kinds for text in (f"--{kind}", "newcomer")]
    chosen += ["--preprocess", "inverted", "--latent", "2", "--batch-size", "16"]
    run("train", *chosen, "--set", "weight=2", "momentum=0.9", "--out", "one")
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert summary["test"]["negative_elbo"] > 0 and (tmp_path / "one" / "newcomer.png").exists()
    run("evaluate", "one", "--samples", "10", "--codes", "20", "--scores", "newcomer")
    evaluation = json.loads((tmp_path / "one" / "evaluation.json").read_text())
    assert evaluation["disentanglement"]["newcomer"]["value"] > 0
    run("sweep", *chosen, "--vary", "weight=1,2", "momentum=0.1,0.9", "--seeds", "1", "--out", "many")
    assert len((tmp_path / "many" / "results.csv").read_text().splitlines()) == 5
    words = run("train", "--help")
    assert "newcomer: a weighted ELBO. (weight=1)" in words and "Newcomer: bars at known places." in words
