"""What a trained model is handed: the same numbers whatever holds them, and one line for what it cannot take."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from vae_jax.errors import InputError
from vae_jax.runs import Config, build
from vae_jax.trained import Trained

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (40, 4, 4, 1)).astype(np.uint8)
ROWS = 50 + 9 * RANDOM.randn(40, 5)
COUNTS = RANDOM.poisson(9, (40, 5)).astype(np.uint8)
LABELS = np.arange(40) % 3
SETTINGS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "images": (IMAGES, {}),
    "rows": (ROWS, {"likelihood": "gaussian"}),
    "standardised": (ROWS, {"likelihood": "gaussian", "standardise": True}),
    "counts": (COUNTS, {"likelihood": "negative-binomial"}),
    "labels": (IMAGES, {"loss": "cvae", "prior": "label"}),
}
MESSAGE = r"^[^\n]+; expected [^\n]+\.$"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Trained]:
    """A model for each setting, with its first parameters."""

    def untrained(path: Path, x: np.ndarray, flags: dict[str, Any]) -> Trained:
        np.savez(path, x=x, y=LABELS)
        made = build(Config(data=str(path), hidden=(8,), latent=2, batch_size=8, **flags))
        y = jnp.int32(0) if made.recipe.loss.conditional else None
        return Trained(made, made.recipe.model.init(jax.random.key(0), jnp.zeros(x.shape[1:]), y))

    folder = tmp_path_factory.mktemp("data")
    return {name: untrained(folder / f"{name}.npz", *setting) for name, setting in SETTINGS.items()}


@pytest.mark.parametrize("name", ["images", "counts"])
@pytest.mark.parametrize("holds", [np.int32, np.int64, np.uint16, np.ndarray.tolist, jnp.asarray])
def test_the_files_own_numbers_give_the_same_codes_whatever_holds_them(models, name, holds):
    x = SETTINGS[name][0][:4]
    found = models[name].encode(holds(x) if callable(holds) and not isinstance(holds, type) else x.astype(holds))
    np.testing.assert_array_equal(found.mean, models[name].encode(x).mean)


def test_8_bit_images_are_also_taken_as_pixels_and_counts_as_floats(models):
    for name, same in (("images", IMAGES[:4] / 255.0), ("counts", COUNTS[:4].astype(np.float64))):
        expected = models[name].encode(SETTINGS[name][0][:4]).mean
        np.testing.assert_allclose(models[name].encode(same).mean, expected, rtol=1e-5, atol=1e-6)
    ends = [models["images"].reconstruct(IMAGES[at : at + 1])[0] for at in (0, 1)]
    line = models["images"].interpolate(IMAGES[0], IMAGES[1] / 255.0, 3)
    np.testing.assert_allclose(line[jnp.array([0, 2])], ends, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["rows", "standardised"])
def test_data_frames_are_rows(models, name):
    frame = pd.DataFrame(ROWS[:4])
    for same in (frame, frame.astype("Float64"), frame.astype(object)):
        np.testing.assert_array_equal(models[name].encode(same).mean, models[name].encode(ROWS[:4]).mean)


def test_a_model_can_be_called_in_a_compiled_function(models):
    z = np.float32([[0.5, -1.0]])
    np.testing.assert_allclose(jax.jit(models["rows"].decode)(z), models["rows"].decode(z), rtol=1e-5)
    codes = jax.jit(lambda x: models["images"].encode(x).mean)(jnp.asarray(IMAGES[:2]))
    np.testing.assert_allclose(codes, models["images"].encode(IMAGES[:2]).mean, rtol=1e-5, atol=1e-6)


WRONG = {
    "width": lambda x: x[:, :1],
    "wider": lambda x: np.concatenate([x, x], 1),
    "one": lambda x: x[0],
    "none": lambda x: x[:0],
    "nan": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 3, np.nan, x),
    "infinity": lambda x: np.full(x.shape, np.inf),
    "huge": lambda x: np.full(x.shape, 1e300),
    "complex": lambda x: x.astype(complex),
    "text": lambda x: x.astype(str),
    "ragged": lambda x: [[1.0], [1.0, 2.0]],
    "nothing": lambda x: None,
    "masked": lambda x: np.ma.masked_less(x, x.max()),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["images", "rows", "standardised", "counts"])
def test_examples_that_do_not_fit_are_refused_in_a_line(models, name, wrong):
    model, x = models[name], WRONG[wrong](SETTINGS[name][0][:4])
    for call in (model.encode, model.reconstruct):
        with pytest.raises(InputError, match=MESSAGE):
            call(x)


@pytest.mark.parametrize("x", [IMAGES[:2].astype(int) + 250, IMAGES[:2].astype(int) - 250, IMAGES[:2].astype(float)])
def test_what_is_no_8_bit_image_is_refused(models, x):
    with pytest.raises(InputError, match=r"expected (whole numbers 0|float in)"):
        models["images"].encode(x)


@pytest.mark.parametrize("y", [3, 99, -1, 1.7, np.nan, "1", None, 2**40])
def test_a_label_that_is_none_is_refused(models, y):
    model, x = models["labels"], IMAGES[:1]
    calls = (
        lambda: model.encode(x, [y]),
        lambda: model.decode(np.zeros((1, 2)), [y]),
        lambda: model.sample(1, y=[y]),
        lambda: model.sample_prior(0, y),
        lambda: model.traverse(x[0], 0, [0.0], y),
        lambda: model.interpolate(x[0], x[0], 2, y),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"^y |^this model takes labels"):
            call()
    with pytest.raises(InputError, match="takes no labels"):
        models["images"].sample_prior(0, 1)


@pytest.mark.parametrize("wrong", [2.5, 3.0, "3", None, -1, 2**64, np.array([1])])
def test_what_counts_something_is_a_whole_number(models, wrong):
    model = models["rows"]
    calls = (
        lambda: model.sample(1, seed=wrong),
        lambda: model.sample_prior(wrong),
        lambda: model.traverse(ROWS[0], wrong, [0.0]),
        *((lambda: model.sample(wrong), lambda: model.interpolate(ROWS[0], ROWS[1], wrong)) if wrong != 2**64 else ()),
    )
    for call in calls:
        with pytest.raises(InputError, match="expected a whole number"):
            call()


@pytest.mark.parametrize("values", [0.5, [[0.0, 1.0]], None, [], [np.nan], "a"])
def test_values_of_a_traversal_are_a_row_of_numbers(models, values):
    with pytest.raises(InputError, match=r"^values "):
        models["rows"].traverse(ROWS[0], 0, values)


def test_ends_of_different_shapes_are_refused(models):
    with pytest.raises(InputError, match=r"^b has shape \(1, 4\)"):
        models["rows"].interpolate(ROWS[0], ROWS[1][:4])


def test_labels_may_be_names_of_classes(models):
    model, x = models["labels"], IMAGES[:3]
    named = replace(
        model,
        experiment=replace(
            model.experiment, described=replace(model.experiment.description, class_names=("ant", "bee", "cat"))
        ),
    )
    np.testing.assert_array_equal(named.encode(x, ["cat", "ant", "bee"]).mean, model.encode(x, [2, 0, 1]).mean)
    np.testing.assert_array_equal(named.sample(1, y=["bee"]), model.sample(1, y=[1]))
    with pytest.raises(InputError, match=r"y holds 'bea'; did you mean 'bee'\?"):
        named.encode(x[:1], ["bea"])
    with pytest.raises(InputError, match=r"y is not an array of numbers|expected"):
        model.encode(x[:1], ["bee"])


def test_codes_beyond_float32_are_refused(models):
    with pytest.raises(InputError, match=MESSAGE):
        models["images"].decode(np.full((2, 2), 1e39))
