"""From arrays to a model: whatever arrays the user has, likelihood and length from the data, nothing written."""

import os
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import vae_jax
from vae_jax.errors import InputError

RANDOM = np.random.RandomState(0)
ROWS = RANDOM.randn(60, 3) * [1.0, 20.0, 3.0] + [0.0, 500.0, 7.0]
IMAGES = RANDOM.randint(0, 256, (60, 8, 8, 3)).astype(np.uint8)
SMALL: dict[str, Any] = {"latent": 2, "hidden": (8,), "batch_size": 16, "epochs": 2, "progress": False}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.listdir(tmp_path) or os.listdir(tmp_path) == ["run"]


GIVEN = {
    "numpy": ROWS,
    "jax": jnp.asarray(ROWS),
    "pandas": pd.DataFrame(ROWS),
    "lists": ROWS.tolist(),
    "sparse": scipy.sparse.csr_matrix(ROWS),
    "sparse array": scipy.sparse.coo_array(ROWS),
    "float32": ROWS.astype(np.float32),
    "images": IMAGES,
    "grey images": IMAGES[..., 0],
    "pixels": IMAGES / 255,
    "bool images": IMAGES > 127,
    "one colour": IMAGES[:, :, :, :1],
}


@pytest.mark.parametrize("name", GIVEN)
def test_whatever_arrays_the_user_has(name):
    x = GIVEN[name]
    model = vae_jax.fit(x, **SMALL)
    plain = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
    plain = plain[..., None] if plain.ndim == 3 else plain
    codes = model.encode(plain)
    assert codes.mean.shape == (60, 2) and np.isfinite(np.asarray(model.score(plain).value)).all()
    again = np.asarray(model.reconstruct(plain))
    assert again.shape == plain.shape
    if plain.ndim == 2:
        assert model.description.units is not None and np.abs(again.mean(0) - ROWS.mean(0)).max() < 20


def test_counts_and_labels_are_what_is_asked_for():
    counts = RANDOM.poisson(3.0, (60, 4))
    assert vae_jax.fit(counts, likelihood="poisson", **SMALL).description.units is None
    names = np.array(["cat", "dog"])[np.arange(60) % 2]
    model = vae_jax.fit(IMAGES, y=names, loss="cvae", **SMALL)
    assert model.description.class_names == ("cat", "dog") and model.sample(2, y=["dog", "cat"]).shape == (2, 8, 8, 3)
    frame = pd.DataFrame(ROWS, columns=list("abc")).assign(kind=names)
    model = vae_jax.fit(frame, y="kind", **SMALL)
    assert model.description.feature_names == ("a", "b", "c") and model.description.class_names == ("cat", "dog")


def test_it_says_what_it_understood_and_chose(capsys):
    model = vae_jax.fit(ROWS, latent=2, hidden=(8,), steps=40, name="sensors")
    said = capsys.readouterr().err
    assert "sensors: 48 + 6 + 6 rows (training, validation, test) of 3 features" in said
    assert "chosen for these data: likelihood gaussian-learned; each feature standardised; batches of 16." in said
    assert model.experiment.recipe.batch_size == 16


def test_the_best_epoch_is_kept():
    model = vae_jax.fit(ROWS, latent=2, hidden=(64,), seed=1, progress=False)
    assert model.experiment.patience == 167 and 0 < model.epoch < model.experiment.epochs == 1667


def test_a_folder_holds_what_is_returned():
    model = vae_jax.fit(ROWS, out="run", **SMALL)
    again = vae_jax.load("run")
    np.testing.assert_array_equal(again.encode(ROWS).mean, model.encode(ROWS).mean)
    with pytest.raises(InputError, match=r"the data .* not here"):
        _ = again.data


def test_scores_depend_on_no_other_example_and_shrink_their_error():
    model = vae_jax.fit(ROWS, **SMALL)
    whole, one = model.score(ROWS), model.score(ROWS[7:8])
    np.testing.assert_allclose(one.value[0], whole.value[7], rtol=1e-5)
    few, many = (model.score(ROWS, num_samples=k).error.mean() for k in (50, 5000))
    assert many < few / 5
    point = vae_jax.fit(IMAGES, loss="ae", **SMALL)
    assert "at the code" in point.score(IMAGES).estimator and not point.score(IMAGES).error.any()
    with pytest.raises(InputError, match="is a point"):
        point.score(IMAGES, num_samples=5)


@pytest.mark.parametrize(
    ("x", "how", "said"),
    [
        (ROWS[:0], {}, "x is empty"),
        (ROWS[:1], {}, "1 rows are too few"),
        (np.where(ROWS > 500, np.nan, ROWS), {}, "NaN"),
        ("rows", {}, "expected numbers"),
        (None, {}, "x holds nothing"),
        (ROWS, {"betta": 2}, "`betta` is no choice of `fit`; did you mean 'beta'"),
        (ROWS, {"data": "x"}, "`data` is no choice"),
        (ROWS, {"beta": "high"}, "beta is 'high'"),
        (ROWS, {"y": [0, 1]}, "y has shape"),
        (ROWS, {"loss": "cvae"}, "needs labels"),
        (ROWS, {"likelihood": "bernoulli"}, "is of"),
        (ROWS, {"validation": 1.5}, "`validation=1.5`"),
        (pd.DataFrame({"a": ["x"] * 20}), {}, "column 'a' holds text in 20 rows"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(x, how, said):
    with pytest.raises(InputError, match=said) as caught:
        vae_jax.fit(x, **{**SMALL, **how})
    assert "\n" not in str(caught.value)
