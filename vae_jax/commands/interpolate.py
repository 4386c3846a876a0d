"""Write the line from one example's code to another's, decoded.

python experiments/interpolate.py runs/photos-vae a.jpg b.jpg --out between.png
python experiments/interpolate.py runs/table-vae p17 p203 --out between.csv    # ids of the run's own data
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.commands.of_model import ModelChoice, feature_names, say_written, target
from vae_jax.errors import InputError, nearest
from vae_jax.export.results import results
from vae_jax.trained.given import given_for, own_data
from vae_jax.trained.model import Trained


@dataclass(frozen=True, kw_only=True)
class InterpolateConfig(ModelChoice):
    """What to go between."""

    a: Annotated[str, tyro.conf.Positional]
    """An image file, or the id of an example of the run's own data; a number is a row of its test part."""
    b: Annotated[str, tyro.conf.Positional]
    """Likewise."""
    steps: int = 10
    """How many points, both ends included."""


@COMMANDS.register("interpolate", flags=InterpolateConfig)
def main(config: InterpolateConfig) -> None:
    """Encode both ends, decode the line, and write."""
    model = config.model()
    path = target(config, "interpolated", images=model.description.images)
    (a, y), (b, of_b) = example(model, config.a), example(model, config.b)
    if y is not None and of_b != y:
        raise InputError(f"{config.a} and {config.b} are of two classes; expected one.")
    x = np.asarray(model.interpolate(a, b, config.steps, y))
    with results(path, main="x", flat={"x": feature_names(model)}) as sink:
        sink({"id": np.arange(len(x)), "x": x})
    say_written(path, len(x), f"points between {config.a} and {config.b}")


def example(model: Trained, name: str) -> tuple[Any, Any]:
    """An example and its label, by the path of an image or by its id in the run's own data.

    Raises:
      InputError: there is none of this name.
    """
    if Path(name).is_file():
        found, at = given_for(model, name), 0
    else:
        found = own_data(model)
        assert found.parts is not None
        ids = found.ids.astype(str)
        places = np.flatnonzero(ids == name)
        if len(places) > 1:  # row numbers, which each part counts anew
            places = places[found.parts[places] == "test"]
        if not len(places):
            raise InputError(f"{name} is neither an image file nor an id of {found.name}; {nearest(name, ids[:1000])}")
        at = int(places[0])
    return found.x[at], None if found.y is None else found.y[at]
