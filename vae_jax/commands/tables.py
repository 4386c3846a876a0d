"""What the flags choose from, for `--help`: read from the tables themselves."""

from vae_jax.data.table import DATASETS
from vae_jax.losses.table import LOSSES
from vae_jax.models.networks.table import NETWORKS


def tables() -> str:
    """The losses with their hyperparameters, the data sets and the networks, one line each."""
    lines = ["Losses (hyperparameters and their defaults):"]
    for name, loss in LOSSES.items():
        numbers = ", ".join(f"{key}={entry.default:g}" for key, entry in loss.declared.items())
        words = loss.summary.partition(": ")[2] or loss.summary
        lines.append(f"  {name}: {words}" + (f" ({numbers})" if numbers else ""))
    for title, table in (("Data sets", DATASETS), ("Networks", NETWORKS)):
        lines += ["", f"{title}:", *(f"  {name}: {entry.summary}" for name, entry in table.items())]
    return "\n".join(lines)
