"""A small recipe of any loss, and a few images to train it on."""

import jax
import numpy as np
import pytest

from vae_jax import training
from vae_jax.data import Examples, Preprocess, grey
from vae_jax.losses import LOSSES
from vae_jax.models import LIKELIHOODS, NETWORKS, POSTERIORS, PRIORS, VAE, NetworkConfig
from vae_jax.training import Recipe

CLASSES = 3
DATA = Examples(
    np.linspace(0, 1, 16 * 6, dtype=np.float32).reshape(16, 2, 3, 1), np.arange(16, dtype=np.int32) % CLASSES
)

# Each is one of the others with a choice made, which `losses/test_names.py` holds it to.
LIKE_ANOTHER = {
    "beta-vae",
    "beta-tc-weighted",
    "denoising-masking",
    "denoising-salt-and-pepper",
    "dip-i",
    "iwae-stl",
}
EVERY_LOSS = [pytest.param(name, marks=pytest.mark.slow if name in LIKE_ANOTHER else ()) for name in LOSSES]

# The state before the first step, as one program: by itself every operation of every layer is compiled alone.
initial = jax.jit(training.init, static_argnums=0)


def recipe_of(
    name: str,
    *,
    likelihood: str | None = None,
    prior: str = "normal",
    shape: tuple[int, ...] = (2, 3, 1),
    classes: int = CLASSES,
    batch_size: int = 8,
    preprocess: Preprocess = grey,
) -> Recipe:
    """Dense networks of one hidden layer and two latents, with the loss's own posterior and likelihood."""
    loss = LOSSES[name]
    likelihood = likelihood or loss.likelihood
    posterior = POSTERIORS[loss.posterior](latent=2)
    config = NetworkConfig(
        shape,
        2,
        (8,),
        output=LIKELIHOODS[likelihood].numbers(shape),
        numbers=posterior.numbers,
        classes=classes if loss.conditional else 0,
    )
    model = VAE(
        *NETWORKS["dense"].build(config), LIKELIHOODS[likelihood], PRIORS[prior].of(config), posterior=posterior
    )
    return Recipe(model=model, loss=loss, batch_size=batch_size, preprocess=preprocess)
