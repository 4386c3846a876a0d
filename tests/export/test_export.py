"""Models in the formats of others, read back without vae_jax and held against it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from jax import export as jax_export
from quick import few_codes, no_pictures
from recipes import initial

import vae_jax
from vae_jax.commands import export as export_command
from vae_jax.commands import train as train_command
from vae_jax.commands.export import ExportConfig
from vae_jax.distributions import mean_of
from vae_jax.errors import InputError
from vae_jax.export import FORMATS
from vae_jax.models import LIKELIHOODS
from vae_jax.runs import Config, build
from vae_jax.trained import Trained

READ = """
import json, sys
from safetensors.numpy import load_file
from safetensors import safe_open
arrays = load_file(sys.argv[1])
with safe_open(sys.argv[1], "np") as file:
    about = json.loads(file.metadata()["model"])
assert "vae_jax" not in sys.modules and "jax" not in sys.modules
x = __import__("numpy").load(sys.argv[2])
h = (x @ arrays["encoder/Dense_0/kernel"] + arrays["encoder/Dense_0/bias"]).clip(0)
q = h @ arrays["encoder/posterior/kernel"] + arrays["encoder/posterior/bias"]
print(json.dumps({"mean": q[:, : q.shape[1] // 2].tolist(), "latent": about["config"]["latent"]}))
"""


def untrained(tmp_path: Path, shape=(8, 8), likelihood=None, data=None, **flags) -> Trained:
    """A model with its initial weights, of random images of a shape."""
    if data is None:
        data = tmp_path / "x.npy"
        np.save(data, np.random.RandomState(0).randint(0, 256, (40, *shape)).astype(np.uint8))
    experiment = build(Config(data=str(data), batch_size=16, latent=3, likelihood=likelihood, **flags))
    state = initial(experiment.recipe, jax.random.key(0), experiment.data.train)
    params = jax.tree.map(lambda p: p + 0.1 * np.float32(np.random.RandomState(1).randn(*p.shape)), state.params)
    return Trained(experiment, params)


def expect_onnx_to_agree(model: Trained, folder: Path, rtol: float = 1e-5) -> None:
    FORMATS["onnx"].write(model, folder, folder)
    encoder, decoder = (onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("encoder", "decoder"))
    for n in (1, 5):
        x = np.asarray(model.recipe.preprocessed(jax.random.key(0), model.data.test.x[:n]))
        n = len(x)
        q = jax.jit(jax.vmap(lambda x: model.model.encode(model.params, x)))(x)
        outputs = encoder.run(None, {"x": x})
        np.testing.assert_allclose(outputs[0], q.mean, rtol=rtol, atol=rtol)
        if len(outputs) > 1:
            np.testing.assert_allclose(outputs[1], q.log_var, rtol=rtol, atol=rtol)
        z = np.random.RandomState(0).randn(n, 3).astype(np.float32)
        expected = jax.jit(jax.vmap(lambda z: mean_of(model.model.decode(model.params, z))))(z)
        (found,) = decoder.run(None, {"z": z})
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("network", "shape"),
    [("dense", (8, 8)), ("linear", (8, 8)), ("conv", (16, 16, 3)), ("conv", (13, 21)), ("dense", (5,))],
)
def test_onnxruntime_agrees(network, shape, tmp_path):
    expect_onnx_to_agree(untrained(tmp_path, shape, model=network), tmp_path)


@pytest.mark.parametrize(
    "likelihood", ["gaussian", "gaussian-learned", "gaussian-pixel", "poisson", "negative-binomial"]
)
def test_onnxruntime_agrees_on_the_mean_of_a_likelihood(likelihood, tmp_path):
    shape = (5,) if LIKELIHOODS[likelihood].support.value.startswith("the whole") else (8, 8, 3)
    expect_onnx_to_agree(untrained(tmp_path, shape, likelihood), tmp_path, rtol=1e-4 if len(shape) == 1 else 1e-5)


def test_a_point_for_a_code(tmp_path):
    expect_onnx_to_agree(untrained(tmp_path, loss="ae"), tmp_path)


def test_what_onnx_is_not_written_for_says_so(tmp_path):
    with pytest.raises(InputError, match="knows the likelihoods bernoulli"):
        FORMATS["onnx"].write(untrained(tmp_path, likelihood="logistic"), tmp_path, tmp_path)
    with pytest.raises(InputError, match="without labels; use --to stablehlo"):
        FORMATS["onnx"].write(untrained(tmp_path, data="digits", loss="cvae"), tmp_path, tmp_path)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("flags", [{"model": "conv"}, {"data": "digits", "loss": "cvae"}, {"likelihood": "logistic"}])
def test_stablehlo_takes_any_number_of_examples(flags, tmp_path):
    model = untrained(tmp_path, **flags)
    FORMATS["stablehlo"].write(model, tmp_path, tmp_path)
    encoder, decoder = (
        jax_export.deserialize(bytearray((tmp_path / f"{name}.stablehlo").read_bytes()))
        for name in ("encoder", "decoder")
    )
    for n in (1, 4):
        x = model.recipe.preprocessed(jax.random.key(0), model.data.test.x[:n])
        z = jax.random.normal(jax.random.key(1), (n, 3))
        y = [jnp.arange(n, dtype=jnp.int32)] if model.recipe.loss.conditional else []
        q = jax.jit(jax.vmap(lambda x, *y: model.model.encode(model.params, x, *y)))(x, *y)
        mean, variance = encoder.call(x, *y)
        np.testing.assert_allclose(mean, q.mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(variance, jnp.exp(q.log_var), rtol=1e-4, atol=1e-5)
        images = jax.jit(jax.vmap(lambda z, *y: mean_of(model.model.decode(model.params, z, *y))))(z, *y)
        np.testing.assert_allclose(decoder.call(z, *y), images, rtol=1e-5, atol=1e-5)


@pytest.fixture
def run(tmp_path, monkeypatch):
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    train_command.main(Config(epochs=1, hidden=(16,), latent=3, out=tmp_path / "run"))
    return tmp_path / "run"


def test_the_weights_are_read_with_no_vae_jax(run, tmp_path, capsys):
    export_command.main(ExportConfig(run=run))
    assert "model.safetensors" in capsys.readouterr().out
    model = vae_jax.load(run)
    x = model.data.test.x[:4].reshape(4, -1).astype(np.float32) / 255
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", READ, run / "export" / "model.safetensors", tmp_path / "x.npy"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    np.testing.assert_allclose(found["mean"], model.encode(model.data.test.x[:4]).mean, rtol=1e-4, atol=1e-5)
    assert found["latent"] == 3
    card = (run / "export" / "README.md").read_text()
    test = json.loads((run / "summary.json").read_text())["test"]
    assert f"| negative ELBO | {test['negative_elbo']:.4g} |" in card and "`--hidden` | 16 |" in card
    assert (
        card.startswith("---\nlibrary_name: vae_jax\n")
        and f'load("{run.name}")' in card
        and str(run.parent) not in card
    )
    assert "`--seed` | 0 |" in card
    export_command.main(ExportConfig(run=run, to=("card",), out=tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "README.md").read_text() == card


def test_pushed_and_loaded_again(run, tmp_path, monkeypatch):
    """The Hub is a folder here: what the package is asked to upload is copied there."""
    import huggingface_hub

    there = tmp_path / "hub"

    class Api:
        def create_repo(self, name, *, private, exist_ok):
            assert (name, private, exist_ok) == ("user/name", True, True)

        def upload_folder(self, *, repo_id, folder_path, ignore_patterns):
            assert repo_id == "user/name" and ".lock" in ignore_patterns
            shutil.copytree(folder_path, there)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name: str(there) if name == "user/name" else 1 / 0)
    export_command.main(ExportConfig(run=run, to=("safetensors",), push="user/name"))
    assert 'vae_jax.load("hf:user/name")' in (there / "README.md").read_text()
    one, other = vae_jax.load(run), vae_jax.load("hf:user/name")
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    with pytest.raises(InputError, match="hf:user/other cannot be had"):
        vae_jax.load("hf:user/other")


def test_mistakes_are_plain(run):
    with pytest.raises(InputError, match="--to onyx: no such format; did you mean 'onnx'"):
        export_command.main(ExportConfig(run=run, to=("onyx",)))
    with pytest.raises(InputError, match="--which beta: expected NAME=VALUE"):
        export_command.main(ExportConfig(run=run, which=("beta",)))
