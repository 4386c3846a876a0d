"""Files that are written whole or not at all, and JSON in which undefined numbers are null."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(text)
    os.replace(aside, path)


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write a value as JSON, whole or not at all; see `plain`."""
    replace_file(path, json.dumps(plain(value), indent=indent) + "\n")


def plain(value: Any) -> Any:
    """A value in a form that JSON can hold. JSON has no NaN: what is not defined is null.

    >>> plain({"rate": float("nan"), "rates": np.ones(2)})
    {'rate': None, 'rates': [1.0, 1.0]}
    """
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
