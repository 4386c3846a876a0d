"""The cache of what can be made again: compiled programs, images that were read, the chance levels of scores."""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """`$XDG_CACHE_HOME/vae_jax/PARTS`, by default in `~/.cache`. It may be emptied at any time.

    For a user without a home folder, as in a container under a foreign user id, it is a path that cannot be written.
    """
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        cache = Path(os.devnull)
    return cache.joinpath("vae_jax", *parts)
