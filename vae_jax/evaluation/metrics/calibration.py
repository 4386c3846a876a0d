"""The score of a perfect code and the chance level: computed once for a grid, and cached on disk."""

import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vae_jax.caching import cache_folder
from vae_jax.evaluation.metrics import score as table
from vae_jax.evaluation.metrics.score import SCORES, Representation, noise, perfect
from vae_jax.writing import read_sealed, write_sealed


def perfect_and_chance(name: str, like: Representation, latent: int, seed: int) -> dict[str, list[float]]:
    """The score of the factors themselves, and that of noise with as many latents, for each name of the score.

    Cached in `$XDG_CACHE_HOME/vae_jax` (`~/.cache/vae_jax`), under a name that changes with the code of the score.

    Args:
      name: a name in `SCORES`.
      like: gives the names and sizes of the factors.
      latent: how many latents the noise has.
      seed: the seed of NumPy's random state.

    Returns:
      Name -> `[perfect, chance]`.
    """
    score, (names, sizes, aside) = SCORES[name], (like.names, like.sizes, like.aside)
    path = _place([name, names, sizes, aside, latent, seed], score.function)
    if path and (kept := _read(path, score.names)):
        return kept
    both = perfect(names, sizes, aside), noise(names, sizes, latent, aside=aside)
    of_perfect, of_noise = (score(np.random.RandomState(seed), code) for code in both)
    values = {part: [of_perfect[part], of_noise[part]] for part in score.names}
    try:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, values)
    except OSError:
        pass  # without a writable cache it is computed again next time
    return values


def _read(path: Path, names: tuple[str, ...]) -> dict[str, list[float]] | None:
    """The cached values, or None if they were not computed yet or cannot be read."""
    try:
        kept = read_sealed(path)
        return {name: [float(value) for value in kept[name]] for name in names}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _place(what: list, function: Callable) -> Path | None:
    """A file named after what is computed and the code that does; None for code without a source, as in a notebook."""
    try:
        sources = [inspect.getsource(sys.modules[function.__module__])]
        sources += [path.read_text(encoding="utf-8") for path in sorted(Path(table.__file__).parent.glob("*.py"))]
    except (OSError, TypeError):
        return None
    digest = hashlib.sha256(json.dumps([*what, *sources]).encode()).hexdigest()
    return cache_folder(f"{what[0]}-{digest[:16]}.json")
