"""A trained model stands without its data: in another folder, with the file gone, to the bit."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from quick import few_codes, no_pictures

import vae_jax
from vae_jax.commands import evaluate as evaluate_command
from vae_jax.commands import explore as explore_command
from vae_jax.commands import export as export_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.commands.evaluate import EvaluateConfig
from vae_jax.commands.export import ExportConfig
from vae_jax.errors import InputError
from vae_jax.explore.server import app_of
from vae_jax.explore.session import Session
from vae_jax.runs import Config, SweepConfig

SMALL = {"hidden": (8,), "latent": 3, "batch_size": 16, "epochs": 2}
RANDOM = np.random.RandomState(0)
ROWS = (RANDOM.randn(80, 5) * [1.0, 20.0, 3.0, 0.1, 9.0] + 7.0).astype(np.float64)
IMAGES, LABELS = RANDOM.randint(0, 256, (80, 8, 8, 3)).astype(np.uint8), np.arange(80) % 4
# name -> what is saved as the data, and the flags of a run
SETTINGS: dict[str, tuple[dict, dict]] = {
    "standardised": ({"x": ROWS}, {"standardise": True, "likelihood": "gaussian-learned"}),
    "learned": ({"x": ROWS}, {"likelihood": "gaussian-pixel"}),
    "counts": ({"x": RANDOM.poisson(3.0, (80, 5))}, {"likelihood": "negative-binomial"}),
    "images": ({"x": IMAGES}, {"likelihood": "gaussian-learned", "model": "conv"}),
    "labels": ({"x": IMAGES, "y": LABELS}, {"loss": "cvae", "prior": "label"}),
    "vamp": ({"x": IMAGES}, {"prior": "vamp", "preprocess": "static"}),
    "point": ({"x": IMAGES}, {"loss": "sparse-rate"}),
}


def moved_away(tmp_path: Path, monkeypatch, arrays: dict, **flags) -> tuple[Path, dict, Path]:
    """A run whose folder was moved and whose data are elsewhere; what its model gave before, and where the data are."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    monkeypatch.chdir(home)
    np.savez("own.npz", **arrays)
    train_command.main(Config(**{**SMALL, **flags}, data="own.npz", out=Path("run")))
    before = outputs(vae_jax.load("run"), arrays)
    away.mkdir()
    shutil.move("own.npz", tmp_path / "elsewhere.npz")
    shutil.move("run", away / "model")
    monkeypatch.chdir(away)
    return away / "model", before, tmp_path / "elsewhere.npz"


def outputs(model: vae_jax.Trained, arrays: dict) -> dict[str, np.ndarray]:
    """What a model gives, by the name of what gives it."""
    y = {} if "y" not in arrays or not model.conditional else {"y": np.asarray(arrays["y"][:6])}
    one = {name: label[0] for name, label in y.items()}
    x, codes = arrays["x"][:6], model.encode(arrays["x"][:6], **y)
    found = {
        "mean": codes.mean,
        "deviation": codes.deviation,
        "decoded": model.decode(codes.mean, **y),
        "reconstructed": model.reconstruct(x, **y),
        "sampled": model.sample(6, seed=1, **y),
        "traversed": model.traverse(x[0], 1, [-1.0, 0.0, 2.0], **one),
        "between": model.interpolate(x[0], x[1], 4, **one),
    }
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)


@pytest.mark.parametrize("name", SETTINGS)
def test_it_gives_the_same_bits_where_its_data_are_not(name, tmp_path, monkeypatch):
    arrays, flags = SETTINGS[name]
    folder, before, elsewhere = moved_away(tmp_path, monkeypatch, arrays, **flags)
    model = vae_jax.load(folder)
    after = outputs(model, arrays)
    for what, value in before.items():
        np.testing.assert_array_equal(after[what], value, err_msg=what)
    with pytest.raises(InputError, match=r"the data .* not here .*vae_jax\.load\(folder, data=PATH\), or --data PATH"):
        _ = model.data
    found = vae_jax.load(folder, data=elsewhere)
    assert len(found.data.train.x) == 64
    np.testing.assert_array_equal(outputs(found, arrays)["mean"], before["mean"])


def test_a_model_speaks_in_the_units_of_its_data(tmp_path, monkeypatch):
    arrays, flags = SETTINGS["standardised"]
    folder, _, _ = moved_away(tmp_path, monkeypatch, arrays, **flags)
    model = vae_jax.load(folder)
    again = np.asarray(model.reconstruct(ROWS))
    assert np.abs(again.mean(0) - ROWS.mean(0)).max() < 0.5 * ROWS.std(0).max()
    assert model.description.units is not None and model.description.shape == (5,)


def test_evaluate_says_what_it_lacks_and_works_with_data(tmp_path, monkeypatch, capsys):
    arrays, flags = SETTINGS["standardised"]
    folder, _, elsewhere = moved_away(tmp_path, monkeypatch, arrays, **flags)
    expected = json.loads((folder / "summary.json").read_text())["test"]
    with pytest.raises(InputError, match=r"no file own\.npz; .* --data PATH"):
        evaluate_command.main(EvaluateConfig(run=folder, samples=3, codes=20))
    assert not (folder / "evaluation.json").exists()
    capsys.readouterr()
    evaluate_command.main(EvaluateConfig(run=folder, samples=3, codes=20, data=str(elsewhere)))
    assert json.loads((folder / "evaluation.json").read_text())["test"] == expected
    assert "other data" not in capsys.readouterr().err


def test_other_data_are_measured_in_the_units_of_the_model(tmp_path, monkeypatch, capsys):
    """Standardised by their own moments they would look like what it was trained on."""
    arrays, flags = SETTINGS["standardised"]
    folder, _, _ = moved_away(tmp_path, monkeypatch, arrays, **flags)
    np.savez("other.npz", x=ROWS + 100.0)
    other = vae_jax.load(folder, data="other.npz")
    assert np.abs(np.asarray(other.data.test.x)).max() > 5
    assert "holds other data than this model was trained on" in capsys.readouterr().err
    np.savez("wide.npz", x=np.ones((40, 7)) * np.arange(40)[:, None])
    with pytest.raises(InputError, match=r"wide\.npz holds examples of shape \(7,\); this model takes \(5,\)"):
        _ = vae_jax.load(folder, data="wide.npz").data


@pytest.mark.parametrize("name", ["images", "labels"])
def test_it_is_explored_and_exported(name, tmp_path, monkeypatch, capsys):
    from starlette.testclient import TestClient

    arrays, flags = SETTINGS[name]
    folder, before, elsewhere = moved_away(tmp_path, monkeypatch, arrays, **flags)
    page = TestClient(app_of(Session(folder), 8765), base_url="http://127.0.0.1:8765")
    assert "starts from samples of the prior" in capsys.readouterr().err
    about = page.post("/about?model=0").json()
    assert about["tests"] > 0 and len(page.post("/test?model=0").content) == about["tests"] * 8 * 8 * 3
    label = "&label=0" if about["classes"] else ""
    own = page.post(f"/encode?model=0{label}", content=arrays["x"][0].tobytes()).json()
    np.testing.assert_allclose(own["mean"], before["mean"][0], rtol=1e-4, atol=1e-5)
    with_data = Session(folder, data=str(elsewhere)).model(0)
    assert len(with_data.examples.x) == 8
    formats = ("safetensors", "stablehlo", "card") if about["classes"] else ("safetensors", "stablehlo", "onnx", "card")
    export_command.main(ExportConfig(run=folder, to=formats))
    held = json.loads((folder / "export" / "model.json").read_text())["data"]
    assert held["shape"] == [8, 8, 3] and held["dtype"] == "uint8" and held["classes"] == (4 if label else 0)
    if not label:
        explore_command.main(explore_command.ExploreConfig(run=folder, export=tmp_path / "page.html"))
        assert (tmp_path / "page.html").stat().st_size > 10_000


def test_it_is_pushed_and_pulled(tmp_path, monkeypatch):
    """The Hub is a folder here."""
    import huggingface_hub

    arrays, flags = SETTINGS["standardised"]
    folder, before, _ = moved_away(tmp_path, monkeypatch, arrays, **flags)
    there = tmp_path / "hub"

    class Api:
        def create_repo(self, name, **how):
            pass

        def upload_folder(self, *, repo_id, folder_path, ignore_patterns):
            shutil.copytree(folder_path, there, ignore=shutil.ignore_patterns(*ignore_patterns))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name: str(there))
    export_command.main(ExportConfig(run=folder, push="user/name"))
    shutil.rmtree(folder)
    for what, value in outputs(vae_jax.load("hf:user/name"), arrays).items():
        np.testing.assert_array_equal(value, before[what], err_msg=what)


def test_every_model_of_a_sweep_stands_alone(tmp_path, monkeypatch):
    """Each cell keeps what its own likelihood was started with."""
    monkeypatch.chdir(tmp_path)
    np.save("own.npy", ROWS)
    vary = ("likelihood=gaussian-learned,gaussian-pixel",)
    sweep = {**SMALL, "data": "own.npy", "standardise": True, "betas": (0.5, 2.0), "seeds": 1, "devices": 1}
    sweep_command.main(SweepConfig(**sweep, vary=vary, out=tmp_path / "sweep"))
    rows = [(beta, name) for beta in (0.5, 2.0) for name in ("gaussian-learned", "gaussian-pixel")]
    read = lambda folder: [outputs(vae_jax.load(folder, beta=b, likelihood=n), {"x": ROWS}) for b, n in rows]
    before = read("sweep")
    Path("own.npy").unlink()
    shutil.move("sweep", "moved")
    jax.tree.map(np.testing.assert_array_equal, read("moved"), before)
    likelihoods: list[Any] = [vae_jax.load("moved", beta=b, likelihood=n).model.likelihood for b, n in rows[:2]]
    offsets = [likelihood.settings() for likelihood in likelihoods]
    assert offsets[0]["log_var"] == pytest.approx(0.0, abs=0.3) and "smallest_log_var" in offsets[1]


def test_a_folder_of_version_0_2_loads_with_its_data_and_goes_on(tmp_path, monkeypatch):
    """It says nothing of its data: they are needed, and give the same numbers; going on writes what was not there."""
    monkeypatch.chdir(tmp_path)
    arrays, flags = SETTINGS["standardised"]
    np.savez("own.npz", **arrays)
    config = {**SMALL, **flags, "data": "own.npz"}
    train_command.main(Config(**config, out=tmp_path / "run"))
    before = outputs(vae_jax.load("run"), arrays)
    (kept,) = (tmp_path / "run" / "checkpoints").glob("*/model.json")
    kept.unlink()
    for what, value in outputs(vae_jax.load("run"), arrays).items():
        np.testing.assert_array_equal(value, before[what], err_msg=what)
    shutil.copy("own.npz", "copy.npz")
    train_command.main(Config(**{**config, "epochs": 3}, out=tmp_path / "run", resume=True))
    assert kept.exists()
    kept.unlink()
    Path("own.npz").unlink()
    with pytest.raises(InputError, match="no file own"):
        vae_jax.load("run")
    assert vae_jax.load("run", data="copy.npz").epoch == 3


def test_what_is_stored_of_the_data_is_sealed(tmp_path, monkeypatch, capsys):
    """A changed byte is named; then the data themselves are needed, and are there."""
    monkeypatch.chdir(tmp_path)
    arrays, flags = SETTINGS["standardised"]
    np.savez("own.npz", **arrays)
    train_command.main(Config(**{**SMALL, **flags}, data="own.npz", out=tmp_path / "run"))
    (kept,) = (tmp_path / "run" / "checkpoints").glob("*/model.json")
    text, before = kept.read_text(), outputs(vae_jax.load("run"), arrays)
    for damaged in (text.replace("log_var", "log_vor", 1), text[: len(text) // 2], "", "[]", "{}"):
        kept.write_text(damaged)
        capsys.readouterr()
        np.testing.assert_array_equal(outputs(vae_jax.load("run"), arrays)["mean"], before["mean"])
        assert "model.json is damaged" in capsys.readouterr().err


def test_what_a_model_cannot_take_is_said(tmp_path, monkeypatch):
    arrays, flags = SETTINGS["labels"]
    folder, _, _ = moved_away(tmp_path, monkeypatch, arrays, **flags)
    model = vae_jax.load(folder)
    x, y = IMAGES[:3], LABELS[:3]
    for wrong, said in (
        (lambda: model.encode(x[0], y[:1]), r"x has shape \(8, 8, 3\); expected \[n, 8, 8, 3\]"),
        (lambda: model.encode(x[:0], y[:0]), "x holds no example"),
        (lambda: model.encode(x), "this model takes labels; give y, 3 whole numbers below 4"),
        (lambda: model.encode(x, y[:2]), r"y has shape \(2,\); expected \[3\]"),
        (lambda: model.decode(np.zeros((2, 4)), y[:2]), r"z has shape \(2, 4\); expected \[n, 3\]"),
        (lambda: model.sample(0), "n is 0; expected a whole number of at least 1"),
        (lambda: model.traverse(x[0], 3, [0.0], y[0]), "latent is 3; expected a whole number from 0 to 2"),
        (lambda: model.interpolate(x[0], x[1], 1, y[0]), "steps is 1; expected a whole number of at least 2"),
    ):
        with pytest.raises(InputError, match=said):
            wrong()


def test_many_examples_go_through_in_batches(tmp_path, monkeypatch):
    """In two batches and in one: the same codes and images."""
    from vae_jax.trained import batches

    arrays, flags = SETTINGS["learned"]
    folder, _, _ = moved_away(tmp_path, monkeypatch, arrays, **flags)
    model = vae_jax.load(folder)
    whole = model.encode(ROWS), model.reconstruct(ROWS)
    monkeypatch.setattr(batches, "SIZES", (16, 32))
    parts = model.encode(ROWS), model.reconstruct(ROWS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), whole, parts)
    assert parts[0].posterior is not None and parts[0].log_var.shape == (80, 3)


def test_what_another_run_stored_of_the_same_data_is_refused(tmp_path, monkeypatch, capsys):
    """Of another start: its σ would shift this model's in silence."""
    monkeypatch.chdir(tmp_path)
    np.save("own.npy", ROWS)
    for start in ("zero", "data"):
        flags = {**SMALL, "data": "own.npy", "likelihood": "gaussian-learned"}
        train_command.main(Config(**flags, start=start, out=tmp_path / start))
    before = outputs(vae_jax.load("zero"), {"x": ROWS})
    mine, other = (next((tmp_path / start / "checkpoints").glob("*/model.json")) for start in ("zero", "data"))
    assert mine.parent.name == other.parent.name and mine.read_text() != other.read_text()
    shutil.copy(other, mine)
    capsys.readouterr()
    jax.tree.map(np.testing.assert_array_equal, outputs(vae_jax.load("zero"), {"x": ROWS}), before)
    assert "is not the one that belongs to this part" in capsys.readouterr().err
