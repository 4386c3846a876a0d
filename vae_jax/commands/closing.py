"""What a command prints at its end: a table, the same everywhere, where to look, and what to do next."""

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
FEW, ENOUGH = 500, 3000  # steps that are too few for most data, and a number to try
UNUSED = 0.05  # nats of rate, below which nothing is told apart
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
            here = called.suffix == ".py" and script.is_file() and called.name != "main.py"
            lines[f"python {script} {folder}" if here else f"vae-jax {name} {folder}"] = NEXT[name]
    return ["Next:", *table(lines)] if lines else []


def remarks(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, latent: int, objective: str) -> list[str]:
    """A line for each thing about a run that its figures alone do not say.

    Args:
      summary: the content of `summary.json`.
      rows: those of `metrics.jsonl`.
      latent: how many latents there are.
      objective: what epochs are compared by, a name in the rows' `validation`.
    """
    test, lines, steps = summary["test"], [], summary["steps"]
    values = [row["validation"].get(objective) for row in rows]
    known = [(value, row["epoch"]) for value, row in zip(values, rows, strict=True) if value is not None]
    if steps < FEW:
        lines.append(f"only {steps:,} steps: what is decoded will be blurred; try --steps {ENOUGH:,}.")
    if "best_epoch" in summary:
        lines.append(f"validation was best at epoch {summary['best_epoch']} of {summary['epochs']}, which is kept.")
    elif known:
        best, at = min(known)
        last = known[-1][0]
        if last > best + 0.01 * abs(best) and at < known[-1][1]:
            lines.append(
                f"validation was best at epoch {at} of {known[-1][1]} ({best:.4g}; {last:.4g} at the end): --patience "
                f"{max(known[-1][1] // 5, 5)} stops there, and keeps it."
            )
    active, rate = test["active_units"], test["rate"]
    if rate == rate and rate < UNUSED:
        lines.append("the decoder ignores its code (posterior collapse): a lower --beta, or --warmup-epochs, may help.")
    elif active < latent:
        lines.append(f"{latent - active} of {latent} latents are unused.")
    return lines


def worded(name: str) -> str:
    """The name of a measure or a choice as it is shown."""
    return WORDS.get(name, name.replace("_", " "))


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
