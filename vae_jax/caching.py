"""Where what can be made again is kept: compiled programs, images that were read, the chance levels of scores."""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """`$XDG_CACHE_HOME/vae_jax/PARTS`, by default in `~/.cache`. It may be emptied at any time.

    Raises:
      RuntimeError: a user without a home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().joinpath("vae_jax", *parts)
