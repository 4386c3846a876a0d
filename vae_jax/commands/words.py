"""Text for the screen: what the flags choose from, read from the registries, and lines wrapped to its width."""

import shutil
import textwrap
from collections.abc import Sequence
from functools import partial

from vae_jax.data.dataset import DATASETS
from vae_jax.losses.loss import LOSSES
from vae_jax.models.networks.network import NETWORKS

NARROWEST, WIDEST = 40, 120


def tables() -> str:
    """The losses with their hyperparameters, the data sets and the networks, one to a line."""
    lines = ["Losses (hyperparameters and their defaults):"]
    for name, loss in LOSSES.items():
        numbers = ", ".join(f"{key}={entry.default:g}" for key, entry in loss.declared.items())
        words = loss.summary.partition(": ")[2] or loss.summary
        lines.append(f"  {name}: {words}" + (f" ({numbers})" if numbers else ""))
    for title, table in (("Data sets", DATASETS), ("Networks", NETWORKS)):
        lines += ["", f"{title}:", *(f"  {name}: {entry.summary}" for name, entry in table.items())]
    return "\n".join(lines)


def in_a_row(things: Sequence[object]) -> str:
    """`a, b and c`."""
    *first, last = map(str, things)
    return f"{', '.join(first)} and {last}" if first else last


def wrapped(text: str) -> str:
    """The text, wrapped to the width of the screen; the continuation of an indented line is indented further.

    Each begins with a space, since tyro joins lines that begin with a letter.
    """
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    wrap = partial(textwrap.wrap, width=width, break_long_words=False, break_on_hyphens=False)
    lines = []
    for line in _joined(text):
        deeper = " " * (len(line) - len(line.lstrip()) + 4 * line.startswith(" ") + 1)
        lines += wrap(line, initial_indent=" ", subsequent_indent=deeper) or [""]
    return "\n".join(lines)


def _joined(text: str) -> list[str]:
    """The paragraphs of a text, each joined into one line; indented lines stay as they are."""
    lines: list[str] = []
    for line in text.splitlines():
        goes_on = line and not line.startswith((" ", "-")) and lines and lines[-1] and not lines[-1].startswith(" ")
        if goes_on and not lines[-1].endswith(":"):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return lines
