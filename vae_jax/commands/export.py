"""Write a trained model in formats that others read: safetensors, StableHLO, ONNX, a model card.

    python experiments/export.py runs/digits-vae                       # safetensors and the card
    python experiments/export.py runs/digits-vae --to onnx stablehlo
    python experiments/export.py runs/digits-sweep --which beta=4 seed=0 --to safetensors
    python experiments/export.py runs/digits-vae --push user/digits-vae

The files land in RUN/export. With --push, the card goes to RUN/README.md too, where the Hub looks for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.errors import InputError
from vae_jax.export.card import card_of
from vae_jax.export.format import FORMATS
from vae_jax.runs.storage.hub import HUB, push
from vae_jax.runs.storage.models import load
from vae_jax.writing import replace_file


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What to write."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run or of a sweep: the --out of train.py or sweep.py."""
    to: tuple[str, ...] = ("safetensors", "card")
    """Formats: safetensors, stablehlo, onnx, card."""
    which: tuple[str, ...] = ()
    """Of a sweep: the model, as in --which beta=4 seed=0. Default: the best by validation negative ELBO."""
    best: str | None = None
    """Of a sweep: the best by this: negative_elbo, distortion or objective of the validation examples, or a score that
    evaluate.py measured, such as mig."""
    out: Path | None = None
    """Folder for the files. Default: export, in that of the run."""
    push: str | None = None
    """Upload the run with its card to the Hugging Face Hub, as user/name; private at first."""


@COMMANDS.register("export", flags=ExportConfig)
def main(config: ExportConfig) -> None:
    """Load the model and write it."""
    formats = [FORMATS.find(name, f"--to {name}") for name in config.to]
    model = load(config.run, best=config.best, **chosen(config.which))
    out = config.out or config.run / "export"
    out.mkdir(parents=True, exist_ok=True)
    for one in formats:
        for path in one.write(model, out, config.run):
            print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    if config.push is not None:
        replace_file(config.run / "README.md", card_of(model, config.run, f"{HUB}{config.push}"))
        print(f'uploaded; vae_jax.load("{push(config.run, config.push)}") reads it back.')


def chosen(which: tuple[str, ...]) -> dict[str, Any]:
    """The pairs `NAME=VALUE` as a dictionary; values that are numbers become numbers, as in the table of a sweep.

    Raises:
      InputError: one without `=`.
    """
    chosen: dict[str, Any] = {}
    for text in which:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--which {text}: expected NAME=VALUE, as in --which beta=4 seed=0.")
        try:
            chosen[name] = float(value)
        except ValueError:
            chosen[name] = value
    return chosen
