"""Hyperparameters that rise: once, or in cycles."""

import numpy as np
import pytest

from vae_jax.losses import LOSSES


@pytest.mark.parametrize("name", ["vae", "beta-vae", "cvae"])
def test_beta_rises_in_each_cycle(name):
    """Fu et al. 2019: over the first half of a cycle from 0, then it stays."""
    loss = LOSSES[name]
    beta = [float(loss.at(step, {"beta": 4.0, "beta_steps": 5.0, "beta_period": 10.0})["beta"]) for step in range(25)]
    cycle = [0.0, 0.8, 1.6, 2.4, 3.2, 4.0, 4.0, 4.0, 4.0, 4.0]
    np.testing.assert_allclose(beta, (cycle * 3)[:25], rtol=1e-6)
    once = [float(loss.at(step, {"beta": 4.0, "beta_steps": 5.0})["beta"]) for step in range(25)]
    np.testing.assert_allclose(once, [*cycle[:5], *[4.0] * 20], rtol=1e-6)
