"""Nats of standardised rows: reported in the units of the data, as if the model were one of the raw rows."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import evaluate as evaluate_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.evaluation import evaluate_elbo, log_likelihood
from vae_jax.runs import Config, SweepConfig

ROWS = np.array([40.0, -3.0, 1000.0]) + np.array([0.1, 5.0, 200.0]) * np.random.RandomState(0).randn(400, 3)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)


def test_nats_are_those_of_the_data(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    flags = {"data": str(tmp_path / "rows.npy"), "likelihood": "gaussian-learned", "standardise": True}
    flags |= {"hidden": (8,), "latent": 2, "epochs": 3, "batch_size": 32}
    train_command.main(Config(**flags, out=tmp_path / "run"))
    model = vae_jax.load(tmp_path / "run")
    scale = model.description.units.scale
    np.testing.assert_allclose(scale, ROWS.std(0), rtol=0.1)
    jacobian = np.log(scale).sum()
    key = model.experiment.keys.test
    inside = evaluate_elbo(model.recipe, model.params, key, model.data.test, model.experiment.hyper)
    test = json.loads((tmp_path / "run" / "summary.json").read_text())["test"]
    for name in ("negative_elbo", "distortion"):
        assert test[name] == pytest.approx(inside[name] + jacobian, rel=1e-5)
    assert test["rate"] == pytest.approx(inside["rate"], rel=1e-5) and test["loss"] == pytest.approx(inside["loss"])
    assert test["log_jacobian"] == pytest.approx(jacobian)

    evaluate_command.main(evaluate_command.EvaluateConfig(run=tmp_path / "run", samples=20, codes=20))
    measured = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    bounds = measured["log_likelihood"]["bounds"]
    assert -bounds["1"][0] == pytest.approx(test["negative_elbo"], abs=0.5)
    assert measured["log_likelihood"]["log_likelihood"] == pytest.approx(bounds[max(bounds, key=int)][0])

    sweep_command.main(SweepConfig(**flags, betas=(1.0,), seeds=1, devices=1, out=tmp_path / "sweep"))
    (row,) = json.loads((tmp_path / "sweep" / "summary.json").read_text())["settings"]
    assert row["negative_elbo"]["mean"] == pytest.approx(test["negative_elbo"], abs=1e-3)


def test_a_density_of_raw_rows_integrates_to_one(tmp_path):
    """exp(log p) of one feature, in its own units, summed over a grid of these units."""
    raw = 50 + 4 * np.random.RandomState(1).randn(400, 1)
    np.save(tmp_path / "rows.npy", raw)
    flags = {"data": str(tmp_path / "rows.npy"), "likelihood": "gaussian-learned", "standardise": True}
    train_command.main(Config(**flags, hidden=(8,), latent=1, epochs=2, batch_size=32, out=tmp_path / "run"))
    model = vae_jax.load(tmp_path / "run")
    grid = np.linspace(20, 80, 601)[:, None]
    seen = vae_jax.data.Examples(jnp.asarray(model.description.units.of_model(grid)))
    found = log_likelihood(model.recipe, model.params, jax.random.key(0), seen, num_samples=400, progress=False)
    density = np.exp(found.shifted(-model.description.log_jacobian).per_example)
    assert density.sum() * 0.1 == pytest.approx(1, abs=0.02)
