"""Strict jax for every test: typed keys, no key used twice, no silent broadcasting of ranks, two devices.

The quick tests compile without XLA's optimisations and keep what they compiled; the slow ones take XLA as users do, and
so do all where XLA_FLAGS is set, if only to nothing.
"""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".pytest_cache" / "xla"
LARGE = 1_600_000_000  # bytes of a worker
collect_ignore = ["new_parts"]  # importing one registers its part, and doctests would be looked for in them
UNOPTIMISED = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
)

os.environ["TQDM_DISABLE"] = "1"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is compiled, here or by a command that a test starts."""
    if config.option.markexpr == "not slow":
        os.environ.setdefault("XLA_FLAGS", UNOPTIMISED)


def pytest_collection_finish() -> None:
    """Tracing makes so many objects that Python's collector, left to itself, takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.disable()


@pytest.fixture(autouse=True)
def forget_many_programs():
    """A worker that keeps every program of every test, and never collects its garbage, grows to gigabytes."""
    yield
    if resident() > LARGE:
        forget()


def forget() -> None:
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(AttributeError):  # glibc's: what is free goes back to the system
        ctypes.CDLL(None).malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds; where the system does not say, more than enough."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return LARGE + 1
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(20)
