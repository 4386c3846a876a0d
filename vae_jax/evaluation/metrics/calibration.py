"""The ceiling and the chance level of a score: computed once for a grid, and cached on disk."""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vae_jax.evaluation.metrics import table
from vae_jax.evaluation.metrics.table import SCORES, noise, perfect
from vae_jax.writing import replace_file


def ceiling_and_chance(
    name: str, names: tuple[str, ...], sizes: tuple[int, ...], latent: int, seed: int
) -> tuple[float, float]:
    """The score of the factors themselves, and that of noise with as many latents.

    Kept in `$XDG_CACHE_HOME/vae_jax` (`~/.cache/vae_jax`), under a name that changes with the code of the score.
    """
    path = _place([name, names, sizes, latent, seed], SCORES[name].function)
    if path and (kept := _read(path)):
        return kept
    both = perfect(names, sizes), noise(names, sizes, latent)
    ceiling, chance = (SCORES[name].function(np.random.RandomState(seed), code) for code in both)
    try:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps([ceiling, chance]))
    except OSError:
        pass  # without a writable cache it is computed again next time
    return ceiling, chance


def _read(path: Path) -> tuple[float, float] | None:
    """The cached values, or None where they were not computed yet or cannot be read."""
    try:
        ceiling, chance = map(float, json.loads(path.read_text()))
        return ceiling, chance
    except (OSError, ValueError, TypeError):
        return None


def _place(what: list, function: Callable) -> Path | None:
    """A file named after what is computed and by which code; None for code without a source, as in a notebook."""
    try:
        sources = [inspect.getsource(sys.modules[function.__module__]), inspect.getsource(table)]
    except (OSError, TypeError):
        return None
    digest = hashlib.sha256(json.dumps([*what, *sources]).encode()).hexdigest()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vae_jax" / f"{what[0]}-{digest[:16]}.json"
