"""What no change of the code may change, since the bits of runs and the folders on disk hang on it.

Linen draws a layer's weights by its path and `keys.use` by a name; clipping sums leaves in the order of their paths;
the folder of a part is named by the JSON of its numbers; rows and tables are text. `python tests/test_fence.py` writes
`fence.json` again: do so only for what is new there, never for what has changed.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import jax

from vae_jax import keys, training
from vae_jax.evaluation.rate_distortion import evaluate_elbo
from vae_jax.losses.loss import LOSSES
from vae_jax.models import LIKELIHOODS, PRIORS
from vae_jax.runs import Config, SweepConfig, build
from vae_jax.runs.configuration.cells import cells
from vae_jax.runs.storage.parts import parts_of
from vae_jax.runs.storage.results import write_csv
from vae_jax.runs.storage.rows import Rows

KEPT = Path(__file__).with_name("fence.json")
SMALL: dict[str, Any] = {"hidden": (5,), "latent": 2, "batch_size": 64, "epochs": 1}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    **{f"loss {name}": {"loss": name} for name in LOSSES},
    **{f"likelihood {name}": {"likelihood": name} for name in LIKELIHOODS},
    **{f"prior {name}": {"prior": name, "loss": "cvae"} for name in PRIORS},
    "conv": {"model": "conv"},
    "conv, pixel": {"model": "conv", "likelihood": "gaussian-pixel"},
    "linear": {"model": "linear", "hidden": None},
    "options": {"ema": 0.9, "clip_norm": 1.0, "schedule": "cosine", "accumulate": 2, "optimizer": "adamw"},
}
SWEEPS: dict[str, dict[str, Any]] = {
    "default": {},
    "numbers": {"betas": (0.1, 4.0), "vary": ("learning_rate=1e-3,3e-4",)},
    "choices": {"seeds": 1, "betas": (1.0,), "vary": ("likelihood=gaussian,bernoulli", "latent=2,3")},
    "factor": {"loss": "factor", "vary": ("gamma=1,10",)},
    "capacity": {"loss": "capacity", "seeds": 2},
}
ROW = {
    "epoch": 1,
    "step": 11,
    "train": {"loss": 40.25, "rate": 0.1},
    "validation": {"negative_elbo": float("nan"), "rate": 1e-7},
}
RESULTS = [
    {"beta": 0.25, "seed": 0, "rate": 12.3456789, "rate_per_latent": [0.5, 1e-9], "diverged": False},
    {"beta": 8.0, "seed": 1, "rate": None, "rate_per_latent": [], "diverged": True},
]


def facts() -> dict[str, Any]:
    """All of it, as JSON holds it."""
    found = {
        "states": {name: state_of(**flags) for name, flags in CONFIGURATIONS.items()},
        "names of keys": {"measured": sorted(names_of_keys())}
        | {name: sorted(names_of_keys(loss=name)) for name in LOSSES},
        "parts": {name: parts_of_sweep(**flags) for name, flags in SWEEPS.items()},
        "rows": rows(),
    }
    return json.loads(json.dumps(found))


def state_of(**flags: Any) -> dict[str, str]:
    """The path of each array of a state -> its dtype and shape, in the order of its leaves."""
    experiment = build(Config(**{**SMALL, **flags}))
    state = training.pure.state_shapes(experiment.recipe, experiment.data.train)
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def names_of_keys(**flags: Any) -> set[str]:
    """The names that keys are folded with while a model is made, trained for a step and measured."""
    experiment = build(Config(**{**SMALL, **flags}))
    recipe, data, names = experiment.recipe, experiment.data, set()
    checksum = keys.crc32

    def noted(text: bytes) -> int:
        names.add(text.decode())
        return checksum(text)

    keys.crc32 = noted
    try:

        def run(key, data):
            state, _ = training.run(recipe, key, experiment.hyper, data, epochs=1)
            return state

        jax.eval_shape(run, jax.eval_shape(jax.random.key, 0), data.train)
        if not flags:
            params = jax.jit(training.init, static_argnums=0)(recipe, jax.random.key(0), data.train).params
            evaluate_elbo(recipe, params, jax.random.key(1), data.test, experiment.hyper)
    finally:
        keys.crc32 = checksum
    return names


def parts_of_sweep(**flags: Any) -> list[str]:
    """The names of the folders of a sweep's parts."""
    planned = cells(SweepConfig(**{**SMALL, **flags}))
    devices = tuple(jax.devices()[:1])
    with tempfile.TemporaryDirectory() as folder:
        return [part.path.name for cell in planned for part in parts_of(Path(folder), cell, devices, 100)]


def rows() -> dict[str, str]:
    """The text of a row of `metrics.jsonl` and of a table of results."""
    with tempfile.TemporaryDirectory() as folder:
        Rows(Path(folder) / "metrics.jsonl").append(ROW)
        write_csv(RESULTS, Path(folder) / "results.csv")
        return {path.name: path.read_text() for path in sorted(Path(folder).iterdir())}


def test_nothing_that_bits_and_folders_hang_on_has_changed():
    known, now = json.loads(KEPT.read_text()), facts()
    for kind, entries in known.items():
        for name, fact in entries.items():
            if kind == "names of keys":  # a new part has its own
                assert set(fact) <= set(now[kind][name]), name
                continue
            assert now[kind][name] == fact, (kind, name)
            if isinstance(fact, dict):
                assert list(now[kind][name]) == list(fact), (kind, name, "in another order")


if __name__ == "__main__":
    KEPT.write_text(json.dumps(facts(), indent=0) + "\n")
