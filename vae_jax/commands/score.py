"""Write how likely each example is, to find those that are not like the rest.

    python experiments/score.py runs/table-vae new.csv --out scores.csv --threshold 0.99
    python experiments/score.py runs/table-vae labelled.csv --truth fraud      # ROC AUC, and a picture

The score is −ELBO, or −log p(x) with --samples, in nats: higher is less likely. Beside it stand its error, from the
draws alone, and the share of the training part's examples that are more likely than this one.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from vae_jax import plots
from vae_jax.commands.closing import table
from vae_jax.commands.command import COMMANDS
from vae_jax.commands.of_model import ModelChoice, say_written, target
from vae_jax.errors import InputError
from vae_jax.export.results import results
from vae_jax.trained.given import Given, given_for, own_data
from vae_jax.trained.model import Trained

REFERENCE = 5000  # training examples that quantiles are taken among, at most


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(ModelChoice):
    """What to score."""

    input: Annotated[str | None, tyro.conf.Positional] = None
    """A table, an array, a folder of images, an image, or the name of a data set. Default: the run's own data."""
    samples: int | None = None
    """Importance samples for −log p(x). Default: −ELBO, an upper bound of it."""
    threshold: float | None = None
    """Flag examples that are less likely than this share of the training part, as in 0.99."""
    truth: str | None = None
    """What is looked for: of a table a column of yes and no; of a labelled folder a class. Prints the ROC AUC and the
    average precision, and draws both."""
    id: str | None = None
    """Of a table: the column with what its rows are called. Default: that of the training, else the row's number."""
    skip_broken: bool = False
    """Leave out images that cannot be read."""


@COMMANDS.register("score", flags=ScoreConfig)
def main(config: ScoreConfig) -> None:
    """Score, and write."""
    if config.threshold is not None and not 0 < config.threshold < 1:
        raise InputError(f"--threshold {config.threshold:g}: expected a share between 0 and 1, such as 0.99.")
    model = config.model()
    path = target(config, "scores", images=False)
    given = given_for(model, config.input, id=config.id, truth=config.truth, skip_broken=config.skip_broken)
    known = reference(model, config.samples, needed=config.threshold is not None)
    scores, flagged, words = [], 0, ""
    with results(path, main="score") as sink:
        for batch in given.batches(doing="scoring"):
            found = model.score(batch.x, batch.y, num_samples=config.samples)
            score, words = -found.value, found.estimator
            columns: dict[str, np.ndarray] = {"id": batch.ids, "score": score, "error": found.error}
            if batch.parts is not None:
                columns["part"] = batch.parts
            if known is not None:
                columns["quantile"] = np.searchsorted(known, score) / len(known)
            if config.threshold is not None:
                columns["flagged"] = columns["quantile"] > config.threshold
                flagged += int(columns["flagged"].sum())
            if batch.truth is not None:
                columns[str(config.truth)] = batch.truth
            sink(columns)
            scores.append(score)
    say_written(path, len(given.x), f"scores: minus {words}")
    if config.threshold is not None:
        than = f"{config.threshold:.4g} of the training part"
        print(f"flagged: {flagged:,} of {len(given.x):,}, less likely than {than}.")
    if given.truth is not None:
        judge(np.concatenate(scores), given, str(config.truth), path)


def reference(model: Trained, samples: int | None, *, needed: bool) -> np.ndarray | None:
    """The scores of the training part, or of 5,000 of its examples, in ascending order.

    Args:
      model: a trained model.
      samples: importance samples.
      needed: whether to fail where its data are no longer there; else a line says so, and None is returned.
    """
    try:
        own = own_data(model)
    except InputError as error:
        if needed:
            raise InputError(f"--threshold is a share of the training part. {error}") from None
        print(f"without quantiles, which are among the training part: {error}", file=sys.stderr)
        return None
    assert own.parts is not None
    rows = np.flatnonzero(own.parts == "train")
    rows = np.sort(np.random.RandomState(0).permutation(rows)[:REFERENCE])
    part = Given(own.name, own.x[rows], own.ids[rows], None if own.y is None else own.y[rows])
    return np.sort(
        np.concatenate(
            [-model.score(b.x, b.y, num_samples=samples).value for b in part.batches(doing="scoring the training part")]
        )
    )


def judge(scores: np.ndarray, given: Given, truth: str, path: Path) -> None:
    """Print how well scores tell what is looked for from the rest, and draw it beside the results.

    Args:
      scores: `[n]`, higher is less likely.
      given: with its truth.
      truth: what it is called.
      path: of the results.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    marked: Any = given.truth
    area, precision = float(roc_auc_score(marked, scores)), float(average_precision_score(marked, scores))
    false, true, _ = roc_curve(marked, scores)
    picture = path.with_suffix(".png")
    plots.told_apart(scores, marked, (false, true), picture, name=truth, area=area)
    rows = {
        "ROC AUC": f"{area:.3f} (0.5 is chance)",
        "average precision": f"{precision:.3f} ({marked.mean():.3f} is chance)",
        truth: f"{int(marked.sum()):,} of {len(marked):,}",
    }
    print("\n".join([*table(rows), f"See {picture}."]))
