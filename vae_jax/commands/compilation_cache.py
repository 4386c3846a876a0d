"""Compiled programs, kept from one command to the next.

XLA compiles a program once on a machine; every later command with the same sizes starts without compiling. JAX's own
environment variables still apply: `JAX_COMPILATION_CACHE_DIR` names another folder, and
`JAX_ENABLE_COMPILATION_CACHE=false` switches the cache off. The folder holds nothing else, and may be emptied at any
time.
"""

import os

import jax

from vae_jax.caching import cache_folder

MOST = 2 * 1024**3  # bytes; the programs that were used least recently go first
QUICK = 0.1  # seconds of compilation below which a program is not worth keeping


def keep_programs() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX was given another one or told to keep none."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = cache_folder("programs")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # without a writable cache, programs are compiled each time
            return
        if not os.access(folder, os.W_OK):
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", MOST)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", QUICK)
