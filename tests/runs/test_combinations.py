"""Every combination of loss, likelihood, prior, posterior, preprocessing and kind of data is allowed or refused by the
rules of its parts, before anything is trained; a pairwise covering set of what is allowed is trained for three steps.
"""

import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import training
from vae_jax.data import PREPROCESS
from vae_jax.errors import InputError
from vae_jax.losses import LOSSES
from vae_jax.models import LIKELIHOODS, POSTERIORS, PRIORS
from vae_jax.runs import Config, build
from vae_jax.runs.configuration.resolved import resolve

RANDOM = np.random.RandomState(0)
N = 60
KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "levels": (RANDOM.randint(0, 256, (N, 4, 4, 1)).astype(np.uint8), {}),
    "binary": (RANDOM.rand(N, 4, 4, 1) > 0.5, {}),
    "shares": (RANDOM.rand(N, 6).astype(np.float32), {}),
    "features": (5 * RANDOM.randn(N, 6) + 40, {}),
    "standardised": (5 * RANDOM.randn(N, 6) + 40, {"standardise": True}),
    "counts": (RANDOM.poisson(4, (N, 6)).astype(np.uint16), {}),
}
FACTORS = {
    "loss": tuple(LOSSES),
    "likelihood": tuple(LIKELIHOODS),
    "prior": tuple(PRIORS),
    "posterior": tuple(POSTERIORS),
    "preprocess": tuple(PREPROCESS),
    "kind": tuple(KINDS),
}
Cell = tuple[str, ...]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    for kind, (x, _) in KINDS.items():
        np.savez(folder / f"{kind}.npz", x=x, y=np.arange(N) % 3)
    return {kind: folder / f"{kind}.npz" for kind in KINDS}


def config_of(cell: Cell, files: dict[str, Path]) -> Config:
    chosen = dict(zip(FACTORS, cell, strict=True))
    kind = chosen.pop("kind")
    flags: dict[str, Any] = {**chosen, **KINDS[kind][1]}
    return Config(data=str(files[kind]), hidden=(4,), latent=2, batch_size=8, epochs=1, **flags)


def refused(call, config: Config) -> str | None:
    """The message of a refusal: one line, that says what to do; None if there is none."""
    try:
        call(config)
    except InputError as error:
        message = str(error)
        assert "\n" not in message and message.endswith("."), message
        return message
    return None


def resolvable(files) -> list[Cell]:
    """The cells that the flags alone allow."""
    return [cell for cell in itertools.product(*FACTORS.values()) if not refused(resolve, config_of(cell, files))]


def covering(cells: list[Cell]) -> list[Cell]:
    """A few of the cells in which every pair of choices occurs that occurs in any of them; greedily."""
    pairs = lambda cell: set(itertools.combinations(enumerate(cell), 2))
    shuffled = [cells[i] for i in np.random.RandomState(0).permutation(len(cells))]
    left: set = set().union(*(pairs(cell) for cell in cells))
    chosen = []
    while left:
        best = max(shuffled, key=lambda cell: len(pairs(cell) & left))
        chosen.append(best)
        left -= pairs(best)
    return chosen


def test_flags_alone_refuse_what_no_data_can_mend(files):
    """And allow something of every choice with every kind of data that it is for."""
    allowed = resolvable(files)
    for place, choices in enumerate(FACTORS.values()):
        assert {cell[place] for cell in allowed} == set(choices)
    wrong = {
        "static": dict(preprocess="static", likelihood="poisson", kind="counts"),
        "dynamic": dict(preprocess="dynamic", kind="standardised", likelihood="gaussian"),
        "gaussian noise": dict(loss="denoising", likelihood="poisson", kind="counts"),
        "salt and pepper": dict(loss="denoising-salt-and-pepper", likelihood="gaussian", kind="standardised"),
        "defined only for rates": dict(loss="sparse-rate", posterior="point"),
    }
    usual = {"loss": "vae", "likelihood": None, "prior": "normal", "posterior": None, "preprocess": "grey"}
    for words, changed in wrong.items():
        chosen = {**usual, "kind": "levels", **changed}
        message = refused(resolve, config_of(tuple(chosen.values()), files))
        assert message and words in message, (words, message)


def test_data_refuse_what_is_not_for_them(files):
    for changed in (dict(preprocess="static"), dict(preprocess="dynamic"), dict(loss="denoising-salt-and-pepper")):
        chosen = {"loss": "vae", "likelihood": "gaussian", "prior": "normal", "posterior": None, "preprocess": "grey"}
        message = refused(build, config_of((*{**chosen, **changed}.values(), "features"), files))
        assert message and "pixels in [0, 1], and these are numbers from" in message


@pytest.mark.slow
def test_what_is_allowed_trains(files):
    """Three steps: every number finite, and some parameter moved. No error but a refusal comes from building."""
    cells = resolvable(files)
    built, failed = {}, []
    for cell in covering(cells):
        config = config_of(cell, files)
        if refused(build, config) is None:
            built[cell] = build(config)
    assert len(built) > 40
    for cell, experiment in built.items():
        recipe, data = experiment.recipe, experiment.data.train
        state = jax.jit(training.init, static_argnums=0)(recipe, jax.random.key(0), data)
        rows = jnp.arange(24).reshape(3, 8)
        new, metrics = jax.jit(training.steps, static_argnums=0)(
            recipe, state, jax.random.key(1), experiment.hyper, data, rows
        )
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((new.params, metrics["loss"])))
        moved = any((a != b).any() for a, b in zip(*map(jax.tree.leaves, (state.params, new.params)), strict=True))
        if not (finite and moved):
            failed.append(cell)
    assert not failed
