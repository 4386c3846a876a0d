"""The fewest examples that a loss of a batch is defined for: declared, true, and checked before anything is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes import DATA, initial, recipe_of

from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.runs import Config, build
from vae_jax.training.objective import critic_losses, loss_and_batch

BATCH = [name for name, loss in LOSSES.items() if loss.batch]


@pytest.mark.parametrize("name", BATCH)
def test_it_is_true(name, key):
    recipe = recipe_of(name)
    params = initial(recipe, key, DATA).params
    least, hyper = recipe.loss.smallest_batch, recipe.loss.at(jnp.inf, {})

    def value(n):
        batch = jax.tree.map(lambda leaf: leaf[:n], recipe.labelled(DATA))
        loss, seen = loss_and_batch(recipe, params, hyper, jax.random.key(1), batch, 16)
        return loss + sum(critic_losses(recipe, params, jax.random.key(2), seen).values())

    assert np.isfinite(value(least))
    if least > 1:
        with pytest.raises(ValueError, match="at least"):
            value(least - 1)


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize(("images", "batch_size"), [(40, 1), (10, 8), (20, 2)])
def test_it_is_checked_for_every_part_before_training(name, images, batch_size, tmp_path):
    """Of ten images, one is for validation and one for testing."""
    np.save(tmp_path / "x.npy", np.random.RandomState(0).rand(images, 4, 4))
    config = Config(data=str(tmp_path / "x.npy"), loss=name, batch_size=batch_size, hidden=(4,), latent=2)
    if min(batch_size, images // 10) >= LOSSES[name].smallest_batch:
        assert build(config).recipe.batch_size == batch_size
    else:
        with pytest.raises(InputError, match=r"compares the examples of a batch.*expected at least 2\."):
            build(config)
