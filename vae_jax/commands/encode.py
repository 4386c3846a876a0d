"""Write the codes of examples: an id, and the posterior mean and deviation of each latent.

    python experiments/encode.py runs/digits-vae                              # of the run's own data, by part
    python experiments/encode.py runs/photos-vae photos/ --out codes.parquet
    python experiments/encode.py runs/table-vae new.csv --out codes.csv       # columns are found by name

An .npz holds the arrays id, mean and deviation; an .npy the means alone.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.commands.of_model import ModelChoice, latent_names, say_written, target
from vae_jax.export.results import results
from vae_jax.trained.given import given_for


@dataclass(frozen=True, kw_only=True)
class EncodeConfig(ModelChoice):
    """What to encode."""

    input: Annotated[str | None, tyro.conf.Positional] = None
    """A table, an array, a folder of images, an image, or the name of a data set. Default: the run's own data, with a
    column for the part."""
    id: str | None = None
    """Of a table: the column with what its rows are called. Default: that of the training, else the row's number."""
    skip_broken: bool = False
    """Leave out images that cannot be read."""


@COMMANDS.register("encode", flags=EncodeConfig)
def main(config: EncodeConfig) -> None:
    """Encode, and write."""
    model = config.model()
    path = target(config, "codes", images=False)
    given = given_for(model, config.input, id=config.id, skip_broken=config.skip_broken)
    flat = {"mean": latent_names(model), "deviation": latent_names(model, "deviation")}
    with results(path, main="mean", flat=flat) as sink:
        for batch in given.batches(doing="encoding"):
            codes = model.encode(batch.x, batch.y)
            part = {} if batch.parts is None else {"part": batch.parts}
            sink({"id": batch.ids, **part, "mean": np.asarray(codes.mean), "deviation": np.asarray(codes.deviation)})
    say_written(path, len(given.x), f"codes of {model.latent} latents")
