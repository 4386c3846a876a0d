"""The scripts of experiments/ as modules, to run their parts in this process."""

import importlib.util
from pathlib import Path
from types import ModuleType

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def script(name: str) -> ModuleType:
    """`experiments/name.py`, loaded but not run."""
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
