"""What a score can reach and what chance gives: computed once for a grid, and kept on disk."""

import hashlib
import inspect
import json
import os
import sys
from pathlib import Path

import numpy as np

from vae_jax.disentanglement.table import SCORES, noise, perfect
from vae_jax.run_folder import replace_file


def ceiling_and_chance(
    name: str, names: tuple[str, ...], sizes: tuple[int, ...], latent: int, seed: int
) -> tuple[float, float]:
    """The score of the factors themselves, and that of noise with as many latents.

    Kept in `$XDG_CACHE_HOME/vae_jax` (`~/.cache/vae_jax`), under a name that changes with the code of the score.
    """
    module = sys.modules[SCORES[name].function.__module__]
    text = json.dumps([name, names, sizes, latent, seed, inspect.getsource(module)])
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "vae_jax" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    try:
        ceiling, chance = json.loads(path.read_text())
        return float(ceiling), float(chance)
    except (OSError, ValueError, TypeError):
        pass  # not computed yet, or not readable: compute it
    both = perfect(names, sizes), noise(names, sizes, latent)
    ceiling, chance = (SCORES[name].function(np.random.RandomState(seed), code) for code in both)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps([ceiling, chance]))
    except OSError:
        pass  # a home that cannot be written costs the time again, no more
    return ceiling, chance
