"""Write new examples: draws of the prior, decoded.

    python experiments/generate.py runs/digits-vae -n 64 --out digits.png
    python experiments/generate.py runs/digits-cvae -n 10 --class 3 --temperature 0.8 --out threes/
    python experiments/generate.py runs/table-vae -n 100 --out new.csv    # rows in the units of the table

Images are the means of p(x|z). Rows are draws of it, as means would spread less than the data; --means gives those.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from vae_jax.commands.command import COMMANDS
from vae_jax.commands.of_model import ModelChoice, feature_names, say_written, target
from vae_jax.errors import InputError, nearest
from vae_jax.export.results import results
from vae_jax.progress import pieces
from vae_jax.trained.batches import SIZES
from vae_jax.trained.model import Trained


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(ModelChoice):
    """What to generate."""

    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 64
    """How many."""
    class_: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """Of a conditional model: the class, by name or number. Default: each in turn."""
    temperature: float = 1.0
    """What the distance of each code from the prior's mean is multiplied by; below 1, samples are more typical."""
    means: bool = False
    """Of rows: write the means of p(x|z) in place of draws."""
    seed: int = 0
    """Seed of the draws."""


@COMMANDS.register("generate", flags=GenerateConfig)
def main(config: GenerateConfig) -> None:
    """Draw, decode, and write."""
    if config.n < 1:
        raise InputError(f"--n {config.n}: expected at least 1.")
    model = config.model()
    images = model.description.images
    path = target(config, "generated", images=images)
    y = labels_of(model, config.class_, config.n)
    names = model.description.class_names
    with results(path, main="x", flat={"x": feature_names(model)}) as sink:
        for index, start in enumerate(pieces(range(0, config.n, SIZES[-1]), doing="generating", unit="batch")):
            rows = np.arange(start, min(start + SIZES[-1], config.n))
            label = None if y is None else y[rows]
            observed = not images and not config.means
            how = {"seed": config.seed + index, "temperature": config.temperature, "observed": observed}
            x = model.sample(len(rows), y=label, **how)
            known = {} if label is None else {"class": np.array(names)[label] if names else label}
            sink({"id": rows, **known, "x": np.asarray(x)})
    say_written(path, config.n, "samples")


def labels_of(model: Trained, name: str | None, n: int) -> np.ndarray | None:
    """The labels of n samples: one class, or each in turn; None if the model takes none.

    Raises:
      InputError: no such class, or a class for a model that takes none.
    """
    if not model.conditional:
        if name is not None:
            raise InputError(f"--class {name}: this model takes no labels; train one with --loss cvae.")
        return None
    names = model.description.class_names or tuple(map(str, range(model.classes)))
    if name is None:
        return np.arange(n) % model.classes
    if name not in names:
        raise InputError(f"--class {name}: no such class; {nearest(name, names)}")
    return np.full(n, names.index(name))
