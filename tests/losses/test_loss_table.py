"""Entering a loss, its sizes and its ramps."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import Bernoulli, Normal, losses
from vae_jax.errors import InputError
from vae_jax.hyperparameter import Hyperparameter
from vae_jax.losses import LOSSES, Loss


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


def test_a_number_where_a_yes_or_no_belongs_is_refused_and_enters_nothing():
    before = dict(LOSSES)
    with pytest.raises(TypeError, match=r"loss 'x': expected True or False for its switches"):
        LOSSES.register("x", conditional=0.5)(lambda key, x, encode, decode: None)
    assert dict(LOSSES) == before


@pytest.mark.parametrize("options", [{"ranges": {"gamma": Hyperparameter()}}, {"ramps": {"gamma": losses.Ramp(1.0)}}])
def test_a_range_or_a_ramp_of_nothing_is_refused(options):
    with pytest.raises(ValueError, match="'gamma' has a r"):
        Loss("x", lambda batch, *, beta=1.0: None, **options)


@pytest.mark.parametrize("name", ["model", "decoder"])
def test_no_critic_has_the_name_of_the_model_or_of_a_part(name):
    critic = LOSSES["factor"].critics["critic"]
    with pytest.raises(ValueError, match=f"a critic cannot be called '{name}'"):
        Loss("x", lambda batch: None, critics={name: critic})


@pytest.mark.parametrize("name", LOSSES)
def test_a_function_is_called_as_the_table_calls_it(name):
    assert getattr(losses, name.replace("-", "_")) is LOSSES[name].function


@pytest.mark.parametrize(("other", "name"), sorted(LOSSES.aliases.items()))
def test_other_names_stand_for_the_same_loss(other, name):
    assert LOSSES.find(other) is LOSSES[name] and other not in list(LOSSES)
    if hasattr(losses, other.replace("-", "_")):
        assert getattr(losses, other.replace("-", "_")) is LOSSES[name].function


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_called_as_one_of_the_other_kind_says_so(name):
    loss, key, x = LOSSES[name], jax.random.key(0), jnp.ones(4)
    encode, decode = lambda x: Normal(x[:2], x[2:]), lambda z: Bernoulli(jnp.tile(z, 2))
    if loss.batch:
        with pytest.raises(TypeError, match=r"is a loss of a batch, .*\(Batch\(terms, …\)\); got \(.*, function"):
            loss.function(key, x, encode, decode)
    else:
        terms = losses.elbo_terms(key, x, encode, decode)
        with pytest.raises(TypeError, match=r"is a loss of one example, .*; got a Batch"):
            loss.function(losses.Batch(terms))


@pytest.mark.parametrize("name", LOSSES)
def test_defaults_stand_in_the_signature_alone(name):
    loss = LOSSES[name]
    parameters = inspect.signature(loss.function).parameters
    own = {n: p.default for n, p in parameters.items() if isinstance(p.default, (int, float)) and n not in loss.fixed}
    assert own == {n: entry.default for n, entry in loss.hyper.items() if n in parameters}


def test_a_taken_name_is_refused_and_its_loss_stays():
    before = LOSSES["iwae"]
    with pytest.raises(ValueError, match="a loss named 'iwae' exists already; choose another name"):
        LOSSES.register("iwae")(lambda key, x, encode, decode: None)
    assert LOSSES["iwae"] is before


def test_every_public_function_has_an_example_that_the_tests_run():
    for name in losses.__all__:
        part = getattr(losses, name)
        if callable(part) and not isinstance(part, type):
            assert ">>>" in (part.__doc__ or ""), name


def test_a_default_of_numpy_is_a_hyperparameter_too():
    weight, bins = np.float32(3), np.int64(4)
    loss = Loss("x", lambda batch, *, weight=weight, bins=bins: None)
    found = {name: (entry.default, entry.integer) for name, entry in loss.hyper.items()}
    assert found == {"weight": (3, False), "bins": (4, True)} and loss.choose(bins=7).sizes == {"bins": 7}
