"""Write what a model makes of examples: the means of p(x|z) at their codes.

python experiments/reconstruct.py runs/photos-vae photos/ --out again/      # a PNG for each image
python experiments/reconstruct.py runs/table-vae new.csv --out again.csv    # in the units of the table
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.commands.of_model import ModelChoice, feature_names, say_written, target
from vae_jax.export.results import results
from vae_jax.trained.given import given_for


@dataclass(frozen=True, kw_only=True)
class ReconstructConfig(ModelChoice):
    """What to reconstruct."""

    input: Annotated[str | None, tyro.conf.Positional] = None
    """A table, an array, a folder of images, an image, or the name of a data set. Default: the run's own data."""
    id: str | None = None
    """Of a table: the column with what its rows are called. Default: that of the training, else the row's number."""
    skip_broken: bool = False
    """Leave out images that cannot be read."""


@COMMANDS.register("reconstruct", flags=ReconstructConfig)
def main(config: ReconstructConfig) -> None:
    """Reconstruct, and write."""
    model = config.model()
    path = target(config, "reconstructed", images=model.description.images)
    given = given_for(model, config.input, id=config.id, skip_broken=config.skip_broken)
    with results(path, main="x", flat={"x": feature_names(model)}) as sink:
        for batch in given.batches(doing="reconstructing"):
            part = {} if batch.parts is None else {"part": batch.parts}
            sink({"id": batch.ids, **part, "x": np.asarray(model.reconstruct(batch.x, batch.y))})
    say_written(path, len(given.x), "reconstructions")
