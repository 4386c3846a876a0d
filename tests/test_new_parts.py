"""A part that asks for more than those of the package, each in one new file: it is trained, swept, resumed, measured,
explored and exported by what is there.

The files are in `tests/new_parts`. Here they are registered for as long as a test takes; the slow test puts them into a
copy of the package, where the commands find them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import few_codes, no_pictures
from recipes import initial

import vae_jax
from vae_jax import training
from vae_jax.commands import evaluate as evaluate_command
from vae_jax.commands import export as export_command
from vae_jax.commands import sweep as sweep_command
from vae_jax.commands import train as train_command
from vae_jax.data import Examples
from vae_jax.explore.session import Session
from vae_jax.losses import LOSSES
from vae_jax.models import NETWORKS, POSTERIORS
from vae_jax.runs import Config, SweepConfig, build
from vae_jax.runs.storage.parts import read_parts

ROOT = Path(__file__).parent.parent
FILES = ROOT / "tests" / "new_parts"
SMALL = {"hidden": (8,), "latent": 4, "batch_size": 64, "epochs": 2}
# part -> where its file belongs, its registry, the flags that choose it, and a number of its own
PARTS = {
    "warped": ("models", POSTERIORS, {"posterior": "warped"}, "beta=0.5,2"),
    "judged": ("losses", LOSSES, {"loss": "judged"}, "realism=0,2"),
    "mapped": ("models/networks", NETWORKS, {"model": "mapped", "latent": 16, "hidden": None}, "beta=0.5,2"),
    "codebook": ("models", POSTERIORS, {"posterior": "codebook", "loss": "ae"}, "codebook_decay=0.5,0.9"),
}


@contextmanager
def registered(name: str) -> Iterator[None]:
    """The part, known to its registry."""
    _, registry, _, _ = PARTS[name]
    len(registry)  # filled
    spec = spec_from_file_location(name, FILES / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    try:
        yield
    finally:
        del registry._entries[name], sys.modules[name]


@pytest.fixture(params=PARTS)
def part(request, monkeypatch) -> Iterator[str]:
    few_codes(monkeypatch)
    no_pictures(monkeypatch)
    with registered(request.param):
        yield request.param


def test_train_resume_load_evaluate_explore_and_export(part, tmp_path):
    flags = {**SMALL, **PARTS[part][2]}
    train_command.main(Config(**{**flags, "epochs": 4}, out=tmp_path / "whole"))
    train_command.main(Config(**flags, out=tmp_path / "cut"))
    train_command.main(Config(**{**flags, "epochs": 4}, out=tmp_path / "cut", resume=True))
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert rows[0] == rows[1]
    one, other = (vae_jax.load(tmp_path / name) for name in ("whole", "cut"))
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    codes = one.encode(one.data.test.x[:3])
    assert codes.mean.shape == codes.deviation.shape == (3, one.latent)
    assert np.all(np.asarray(codes.deviation) > 0) != one.is_point
    assert one.reconstruct(one.data.test.x[:3]).shape == (3, 8, 8, 1)

    config = evaluate_command.EvaluateConfig(run=tmp_path / "whole", samples=5, codes=20)
    evaluate_command.main(config)
    measured = json.loads((tmp_path / "whole" / "evaluation.json").read_text())
    assert np.isfinite(measured["test"]["distortion"])
    assert ("left_out" in measured["log_likelihood"]) == one.is_point

    explored = Session(tmp_path / "whole").model(0)
    about = explored.about()
    assert len(about["latents"]) == one.latent and np.isfinite([latent["rate"] for latent in about["latents"]]).all()
    assert explored.image(np.zeros((2, one.latent), np.float32)).shape == (2, 8, 8, 1)

    export_command.main(export_command.ExportConfig(run=tmp_path / "whole", to=("safetensors", "stablehlo", "card")))
    encoder = jax.export.deserialize((tmp_path / "whole" / "export" / "encoder.stablehlo").read_bytes())
    x = np.asarray(one.recipe.preprocessed(jax.random.key(0), one.data.test.x[:3]))
    np.testing.assert_allclose(encoder.call(x)[0], codes.mean, rtol=1e-5, atol=1e-5)


def test_a_sweep_over_two_devices_has_the_models_of_one(part, tmp_path):
    """Of its own number; each model is that of a run with that number."""
    flags = {**SMALL, **PARTS[part][2], "epochs": 1, "seeds": 1, "vary": (PARTS[part][3],)}
    for devices in (1, 2):
        sweep_command.main(SweepConfig(**flags, devices=devices, out=tmp_path / str(devices)))
    found = [read_parts(tmp_path / str(devices) / "checkpoints")[0] for devices in (1, 2)]
    assert found[0].rows == found[1].rows and not any(row["diverged"] for row in found[0].rows or [])
    name, value = PARTS[part][3].partition(",")[0].split("=")
    alone = {key: flag for key, flag in flags.items() if key not in ("seeds", "vary")}
    train_command.main(Config(**alone, set=(f"{name}={value}",), out=tmp_path / "run"))
    swept = vae_jax.load(tmp_path / "1", **{name: float(value)})
    jax.tree.map(np.testing.assert_array_equal, swept.params, vae_jax.load(tmp_path / "run").params)


def test_what_a_posterior_knows_of_its_own_draw_is_its_density(key):
    with registered("warped"):
        recipe = build(Config(**SMALL, posterior="warped")).recipe
        x = jnp.linspace(0.0, 1.0, 64).reshape(8, 8, 1)
        q = recipe.model.encode(recipe.model.init(key, x), x)
        q = q._replace(warp=jnp.array([0.4, -0.3, 0.1, 0.0]))
        z, log_q = q.sample_and_log_prob(jax.random.key(1))
        np.testing.assert_allclose(q.log_prob(z), log_q, rtol=1e-5)


class TestACollectionThatNoGradientTrains:
    """The codebook: moved by its own rule once an update, whatever optimiser, average or accumulation is chosen."""

    def go(self, steps=1, **options):
        experiment = build(Config(**{**SMALL, "posterior": "codebook", "loss": "ae", **options}))
        recipe = experiment.recipe
        x = experiment.data.train.x[: 64 * steps].reshape(steps, 64, 8, 8, 1)
        state = initial(recipe, jax.random.key(0), experiment.data.train)
        step = jax.jit(training.step, static_argnums=0)
        states = [state]
        for index in range(steps):
            state, metrics = step(recipe, state, jax.random.key(1), experiment.hyper, Examples(jnp.asarray(x[index])))
            states.append(state)
        assert "entries_used" in metrics
        return states

    @pytest.fixture(autouse=True)
    def _registered(self):
        with registered("codebook"):
            yield

    def test_the_optimiser_neither_sees_nor_moves_it(self):
        of = lambda states: states[-1].params["posterior"]["codebook"]
        plain = of(self.go())
        decay = {"weight_decay": 0.5}
        for options in ({"optimizer": "adamw", **decay}, {"optimizer": "lion", **decay}, {"clip_norm": 1e-3}):
            jax.tree.map(np.testing.assert_array_equal, of(self.go(**options)), plain)
        names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(self.go()[0].opt_state)]
        assert names and not any("codebook" in name for name in names)

    def test_an_average_of_weights_takes_it_as_it_is(self):
        last = self.go(steps=3, ema=0.9)[-1]
        jax.tree.map(
            np.testing.assert_array_equal,
            last.average["posterior"]["codebook"],
            last.params["posterior"]["codebook"],
        )
        kernel = lambda params: params["decoder"]["params"]["likelihood"]["kernel"]
        assert not np.array_equal(kernel(last.average), kernel(last.params))

    def test_it_moves_once_an_update(self):
        states = self.go(steps=4, accumulate=2)
        moved = [
            not np.array_equal(a.params["posterior"]["codebook"]["sums"], b.params["posterior"]["codebook"]["sums"])
            for a, b in pairwise(states)
        ]
        assert moved == [False, True, False, True]

    def test_its_rule_is_followed_to_the_number(self):
        before, after = self.go()
        experiment = build(Config(**{**SMALL, "posterior": "codebook", "loss": "ae"}))
        x = experiment.recipe.preprocessed(jax.random.key(0), experiment.data.train.x[:64])
        q = jax.vmap(lambda x: experiment.recipe.model.encode(before.params, x))(x)
        hits = np.eye(8)[np.asarray(q.indices).ravel()]
        expected = 0.9 + 0.1 * hits.sum(0)
        np.testing.assert_allclose(after.params["posterior"]["codebook"]["counts"], expected, rtol=1e-6)


def test_a_prior_and_a_posterior_that_ask_each_other_are_refused():
    with registered("warped"):
        kind = POSTERIORS["warped"]
        kind.reads_prior = True
        try:
            with pytest.raises(vae_jax.errors.InputError, match="each is made of the other"):
                build(Config(posterior="warped", prior="vamp"))
            with pytest.raises(ValueError, match="at most one that reads the other"):
                replace(build(Config(prior="vamp")).recipe.model, posterior=kind(latent=10))
        finally:
            kind.reads_prior = False


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_the_commands_know_a_part_by_its_file(name, tmp_path):
    """In a copy of the package, with eight devices."""
    folder, _, flags, vary = PARTS[name]
    ignored = shutil.ignore_patterns("__pycache__")
    for tree in ("vae_jax", "experiments"):
        shutil.copytree(ROOT / tree, tmp_path / tree, ignore=ignored)
    shutil.copy(FILES / f"{name}.py", tmp_path / "vae_jax" / folder / f"{name}.py")
    chosen = [word for flag, value in flags.items() if value is not None for word in (f"--{flag}", str(value))]
    chosen += ["--epochs", "1", "--batch-size", "64"]

    def run(script: str, *flags: str) -> str:
        program = [sys.executable, str(tmp_path / "experiments" / f"{script}.py"), *flags]
        paths = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env=paths, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("train", *chosen, "--out", "one")
    run("evaluate", "one", "--samples", "5", "--codes", "20")
    run("export", "one", "--to", "safetensors", "stablehlo")
    run("sweep", *chosen, "--vary", vary, "--seeds", "4", "--devices", "8", "--out", "many")
    assert len((tmp_path / "many" / "results.csv").read_text().splitlines()) == 9
    assert name in run("train", "--help")
