"""Corruptions do to an image what they say."""

import jax.numpy as jnp
import pytest

from vae_jax import losses


@pytest.mark.parametrize("name", ["denoising", "denoising-masking", "denoising-salt-and-pepper"])
def test_corruptions_are_what_the_encoder_sees(name, key):
    corrupt = losses.LOSSES[name].corrupt
    x = jnp.full((10_000,), 0.5)
    seen = corrupt(key, x, noise=0.4)
    if name == "denoising":
        assert (seen - x).std() == pytest.approx(0.4, rel=0.05)
    else:
        values = {"denoising-masking": {0.0: 0.4}, "denoising-salt-and-pepper": {0.0: 0.2, 1.0: 0.2}}[name]
        for value, share in values.items():
            assert (seen == value).mean() == pytest.approx(share, abs=0.02)
        assert (seen == 0.5).mean() == pytest.approx(0.6, abs=0.02)
