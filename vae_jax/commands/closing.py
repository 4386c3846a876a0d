"""What a command prints at its end: a table, the same everywhere, where to look, and what to do next."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vae_jax.evaluation.populations import SettingResult, varied

WORDS = {
    "beta": "β",
    "negative_elbo": "negative ELBO",
    "distortion": "distortion, −log p(x|z)",
    "rate": "rate, KL(q ‖ p)",
    "active_units": "active units",
    "negative_log_likelihood": "−log p(x)",
    "dimension_wise_kl": "dimension-wise KL",
}
NEXT = {
    "evaluate": "log p(x), and more",
    "explore": "touch its latents",
}
INDENT, GAP = 2, 2  # of a table, and between its columns


def table(rows: Mapping[str, str]) -> list[str]:
    """One name and value to a line, with the values aligned."""
    width = max(map(len, rows)) + GAP
    return [f"{'':{INDENT}}{name:<{width}}{value}".rstrip() for name, value in rows.items()]


def table_of_settings(
    entries: Sequence[SettingResult],
    measures: Sequence[str],
    *,
    digits: int,
    beside: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """A row for each measure and a column for each setting, split into blocks that fit the width of the screen.

    Args:
      entries: as from `settings`.
      measures: the rows.
      digits: how many after the decimal point.
      beside: more columns: heading -> measure -> text.
    """
    chosen, columns = varied(entries) or ["beta"], []
    some_diverged = any(entry.diverged for entry in entries)
    for entry in entries:
        column = {name: _short(entry.setting.get(name, "")) for name in chosen}
        column |= {name: entry.measures[name].words(digits) for name in measures}
        columns.append(column | ({"diverged": f"{entry.diverged} of {entry.seeds}"} if some_diverged else {}))
    names = list(columns[0])
    columns += [{chosen[0]: heading, **texts} for heading, texts in (beside or {}).items()]
    label = max(len(worded(name)) for name in names)
    cell = max(len(text) for column in columns for text in column.values()) + GAP
    fit = max(1, (shutil.get_terminal_size().columns - INDENT - label) // cell)
    each = -(-len(columns) // -(-len(columns) // fit))  # as many in each block
    lines = []
    for start in range(0, len(columns), each):
        lines += [""] * bool(start)
        for name in names:
            cells = "".join(f"{column.get(name, ''):>{cell}}" for column in columns[start : start + each])
            lines.append(f"{'':{INDENT}}{worded(name):<{label}}{cells}".rstrip())
    return lines


def what_next(out: Path, *, images: bool, after: str) -> list[str]:
    """The commands to run next, in the form in which this one was called.

    Args:
      out: the folder of the run or sweep.
      images: whether its examples are images, which can be explored.
      after: the command that is ending.
    """
    called, folder = Path(sys.argv[0]), shlex.quote(str(out))
    lines = {}
    for name in NEXT:
        if name != after and (images or name != "explore"):
            script = called.parent / f"{name}.py"
            here = called.suffix == ".py" and script.is_file()
            lines[f"python {script} {folder}" if here else f"vae-jax {name} {folder}"] = NEXT[name]
    return ["Next:", *table(lines)] if lines else []


def worded(name: str) -> str:
    """The name of a measure or a choice as it is shown."""
    return WORDS.get(name, name.replace("_", " "))


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
