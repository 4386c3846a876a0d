"""Names that stand for another loss with a choice made: value and gradient are those of that choice."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from codes import everything, terms_of

from vae_jax import Bernoulli, Normal, losses
from vae_jax.losses import LOSSES, Batch
from vae_jax.losses.corruption import masking, salt_and_pepper

OF_AN_EXAMPLE = {
    "beta-vae": (losses.negative_elbo, {"beta": 3.0}),
    "cvae": (losses.negative_elbo, {"beta": 3.0}),
    "iwae-stl": (partial(losses.importance_weighted, estimator="stl"), {"num_samples": 5}),
    "iwae-dreg": (partial(losses.importance_weighted, estimator="dreg"), {"num_samples": 5}),
    "denoising-masking": (partial(losses.denoising, corruption=masking), {"noise": 0.6}),
    "denoising-salt-and-pepper": (partial(losses.denoising, corruption=salt_and_pepper), {"noise": 0.6}),
}
OF_A_BATCH = {
    "dip-i": (partial(losses.dip, covariance="means"), {"off_diagonal": 2.0, "diagonal": 3.0}),
    "dip-ii": (partial(losses.dip, covariance="codes"), {"off_diagonal": 2.0, "diagonal": 3.0}),
    "beta-tc-weighted": (partial(losses.beta_tc, sampling="weighted"), {"alpha": 2.0, "beta": 3.0, "gamma": 4.0}),
    "wae-mmd": (partial(losses.wasserstein, kernel="imq"), {"weight": 5.0}),
    "info-vae": (partial(losses.mmd, kernel="rbf"), {"alpha": 0.3, "weight": 5.0}),
}


def expect_one_function(own: Any, other: Any, at: Any) -> None:
    found, expected = (jax.jit(jax.value_and_grad(function))(at) for function in (own, other))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, expected)


@pytest.mark.parametrize("name", OF_AN_EXAMPLE)
def test_of_an_example(name, key):
    x, (chosen, hyper) = jnp.linspace(0.0, 1.0, 12), OF_AN_EXAMPLE[name]

    def loss(function, weights):
        encode = lambda x: Normal(weights[0] @ x, weights[1] @ x)
        decode = lambda z: Bernoulli(weights[2].T @ jnp.tanh(z))
        return function(jax.random.clone(key), x, encode, decode, **hyper)[0]

    weights = 0.5 * jax.random.normal(jax.random.fold_in(key, 1), (3, 4, 12))
    expect_one_function(partial(loss, LOSSES[name].function), partial(loss, chosen), weights)


@pytest.mark.parametrize("name", OF_A_BATCH)
def test_of_a_batch(name, key):
    (z, q), (chosen, hyper) = everything(key), OF_A_BATCH[name]
    prior = jax.random.normal(jax.random.fold_in(key, 1), z.shape)

    def loss(function, at):
        return function(Batch(terms_of(*at), data_size=50, pixels=6, prior_samples=prior), **hyper)

    expect_one_function(partial(loss, LOSSES[name].function), partial(loss, chosen), (z, q))


def test_every_other_name_has_a_formula_of_its_own():
    """A new name for a function that is there already belongs above."""
    public = [getattr(losses, name) for name in losses.__all__]
    ours = {name: loss for name, loss in LOSSES.items() if loss.function.__module__.startswith("vae_jax.")}
    others = {name for name, loss in ours.items() if loss.function not in public}
    assert others <= {*OF_AN_EXAMPLE, *OF_A_BATCH}
