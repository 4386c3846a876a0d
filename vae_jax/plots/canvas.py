"""The figure that every picture is drawn on, and the file that it becomes."""

from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.writing import atomic


def canvas(width: float, height: float) -> Any:
    """An empty Matplotlib figure without a window; width and height are in inches.

    Raises:
      InputError: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("pictures need Matplotlib; pip install matplotlib.") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PNG: whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as aside:
        figure.savefig(aside, dpi=100, format="png")
    return path
