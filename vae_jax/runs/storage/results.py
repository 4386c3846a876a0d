"""The table of a sweep: a row for each model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_jax.evaluation.populations import ModelResult
from vae_jax.writing import replace_file


def write_csv(rows: Sequence[ModelResult], path: Path) -> None:
    """A row for each model; numbers to six digits, the rates of the latents in one column with spaces between them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(_text(row.get(name, "")) for name in names) for row in rows]
    replace_file(path, "\n".join(lines) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    if value is None:
        return "nan"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
