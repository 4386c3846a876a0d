"""Entering a loss, its sizes and its ramps."""

import jax.numpy as jnp
import pytest

from vae_jax import losses
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES


@pytest.mark.parametrize(
    ("name", "value", "length"), [("capacity", "capacity", "capacity_steps"), ("vae", "beta", "beta_steps")]
)
def test_ramps_rise_in_a_straight_line(name, value, length):
    loss = LOSSES[name]
    hyper = {value: jnp.float32(20), length: jnp.float32(1000)}
    assert [float(loss.at(step, hyper)[value]) for step in (0, 250, 1000, 5000)] == [0, 5, 20, 20]
    assert loss.at(0, {value: jnp.float32(20), length: jnp.float32(0)})[value] == 20
    assert length not in loss.at(0, hyper)


def test_sizes_are_chosen_and_unknown_ones_are_refused():
    assert LOSSES["iwae"].choose(num_samples=50).sizes["num_samples"] == 50
    assert LOSSES["iwae"].sizes["num_samples"] == 5
    with pytest.raises(InputError, match=r"loss 'iwae' has no hyperparameter 'samples'; .*num_samples"):
        LOSSES["iwae"].choose(samples=50)
    with pytest.raises(InputError, match="num_samples 0: expected a whole number of at least 1"):
        LOSSES["iwae"].choose(num_samples=0)


def test_a_hyperparameter_beside_hyper_is_refused_and_enters_nothing():
    """A number where a yes or no belongs would make a loss of a batch that has no such hyperparameter."""
    before = dict(LOSSES)
    with pytest.raises(TypeError, match=r"loss 'x': .* give hyperparameters as hyper=\{name: default\}"):

        @losses.register("x", batch=0.5)  # pyright: ignore[reportArgumentType]
        def function(batch):
            return batch.terms.distortion.mean()

    assert dict(LOSSES) == before


def test_a_taken_name_is_refused_and_its_loss_stays():
    before = LOSSES["iwae"]
    with pytest.raises(ValueError, match="a loss named 'iwae' exists already; choose another name"):
        losses.register("iwae")(lambda key, x, encode, decode: None)
    assert LOSSES["iwae"] is before


def test_every_public_function_has_an_example_that_the_tests_run():
    for name in losses.__all__:
        part = getattr(losses, name)
        if callable(part) and not isinstance(part, type) and part is not losses.register:
            assert ">>>" in (part.__doc__ or ""), name
