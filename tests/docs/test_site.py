"""The site: every public name has its entry, and no public package is missing."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    kept = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = kept
    return module


@pytest.fixture(scope="module")
def conf():
    return loaded("conf")


def test_the_page_of_parts_is_that_of_the_tables():
    """`python docs/parts.py` writes it again."""
    assert loaded("parts").page() == (ROOT / "docs" / "parts.md").read_text()


def test_every_public_package_has_a_page(conf):
    """Commands and the explorer are used from a command line."""
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "vae_jax").rglob("__init__.py")
        if "__all__" in path.read_text()
    }
    assert packages <= set(conf.PUBLIC) and "vae_jax.sweep" in conf.PUBLIC


def test_every_name_of_every_page_has_an_entry(conf):
    conf.written.clear()
    for name in conf.PUBLIC:
        module = importlib.import_module(name)
        for public in module.__all__:
            lines = conf.entry(getattr(module, public), public, name)
            assert any(public in line or getattr(module, public).__name__ in line for line in lines), f"{name}.{public}"
