"""Strict jax for every test: typed keys, no key used twice, no silent broadcasting of ranks, two devices."""

import os

import jax
import pytest

os.environ["TQDM_DISABLE"] = "1"

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20)
