"""The page of parts, read from the tables that the commands choose from: `python docs/parts.py` writes it again."""

import inspect
import re
from pathlib import Path
from typing import Any

from vae_jax.data.dataset import DATASETS
from vae_jax.evaluation.metrics.score import SCORES
from vae_jax.losses.loss import LOSSES
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks.network import NETWORKS
from vae_jax.models.posteriors import POSTERIORS
from vae_jax.models.priors import PRIORS
from vae_jax.training.optimizers import OPTIMIZERS
from vae_jax.training.schedules import SCHEDULES

PAGE = Path(__file__).parent / "parts.md"
TABLES = {
    "Networks, `--model`": NETWORKS,
    "Posteriors, `--posterior`": POSTERIORS,
    "Likelihoods, `--likelihood`": LIKELIHOODS,
    "Priors, `--prior`": PRIORS,
    "Data sets, `--data`": DATASETS,
    "Scores, `evaluate.py --scores`": SCORES,
    "Optimisers, `--optimizer`": OPTIMIZERS,
    "Schedules, `--schedule`": SCHEDULES,
}
BEGIN = """\
# What there is to choose from

Read from the tables of the package, as `--help` is; CONTRIBUTING says how a part is added. What does not go together is
refused in a line. [Which likelihood when](likelihoods.md) and [what each score measures](scores.md) have pages of their
own.

## Losses, `--loss`

Numbers are set as in `--set gamma=100`, and swept as in `--vary gamma=10,100`.

| | what is minimised | numbers and sizes | source |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    lines = [BEGIN.rstrip("\n")]
    for name, loss in LOSSES.items():
        numbers = ", ".join(f"`{number}={entry.default:g}`" for number, entry in loss.declared.items())
        lines.append(f"| `{name}` | {_cell(loss.summary)} | {numbers} | {_cell(_reference(loss.function))} |")
    for title, table in TABLES.items():
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(_first(entry))} |" for name, entry in table.items()]
    return "\n".join(lines) + "\n"


def _first(entry: Any) -> str:
    """What an entry is, in a line."""
    return getattr(entry, "summary", None) or (inspect.getdoc(entry) or "").partition("\n")[0]


def _reference(function: Any) -> str:
    """The papers that a docstring ends with."""
    found = re.search(r"References?: (.*?)(?:\n\n|$)", inspect.getdoc(function) or "", re.DOTALL)
    return "" if found is None else " ".join(found[1].split())


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page())
