"""A conditional VAE's labels: are generated digits what they were asked to be, and what is left in the code?

Trains `--loss cvae` and a plain VAE of the same size. A scikit-learn classifier, trained on real images alone, names
the images generated for each label; another one tries to tell the label from the code of a test image.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from vae_jax import plots
from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError
from vae_jax.evaluation import encode_all
from vae_jax.runs import Config, build
from vae_jax.trained import Trained, train
from vae_jax.training.experiment import Experiment
from vae_jax.writing import replace_file

SAMPLES = 2000
REAL = 60_000  # images that the classifier is trained on, at most


@dataclass(frozen=True, kw_only=True)
class ConditionalConfig(Config):
    """The flags of every command; `--loss` is not used."""


def main(config: ConditionalConfig) -> None:
    from sklearn.neural_network import MLPClassifier

    out = config.out or Path("runs") / f"{Path(config.data).stem}-conditional"
    conditional, plain = (build(replace(config, loss=loss)) for loss in ("cvae", "vae"))
    data = conditional.data
    if not conditional.images:
        raise InputError(f"--data {config.data}: expected labelled images.")
    out.mkdir(parents=True, exist_ok=True)
    classifier = MLPClassifier((256,), max_iter=100, early_stopping=True, random_state=0)
    classifier.fit(_pixels(conditional, data.train.x[:REAL]), data.train.y[:REAL])
    y = np.arange(SAMPLES) % data.classes
    results: dict[str, Any] = {"classifier_accuracy": classifier.score(_pixels(conditional, data.test.x), data.test.y)}
    for experiment in (conditional, plain):
        params = train(experiment).params
        results[f"label_from_code_{experiment.recipe.loss.name}"] = label_from_code(experiment, params)
        if experiment is conditional:
            images = experiment.recipe.model.generate(experiment.keys.pictures, params, SAMPLES, jnp.asarray(y))
            results["generated_as_asked"] = classifier.score(np.asarray(images).reshape(SAMPLES, -1), y)
            plots.draw_all(Trained(experiment, params), out)
    results["chance"] = float(np.bincount(data.test.y).max() / len(data.test.y))
    replace_file(out / "conditional.json", json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    print(f"See {out / 'labels.png'} and {out / 'swapped_labels.png'}.")


def label_from_code(experiment: Experiment, params: Any) -> float:
    """Accuracy on half of the test set of a logistic regression on codes, trained on the other half."""
    from sklearn.linear_model import LogisticRegression

    codes = np.asarray(encode_all(experiment.recipe, params, experiment.keys.test, experiment.data.test).mean)
    half, y = len(codes) // 2, experiment.data.test.y
    return float(LogisticRegression(max_iter=1000).fit(codes[:half], y[:half]).score(codes[half:], y[half:]))


def _pixels(experiment: Experiment, x: np.ndarray) -> np.ndarray:
    return np.asarray(experiment.recipe.preprocessed(experiment.keys.measures, x)).reshape(len(x), -1)


if __name__ == "__main__":
    run_command(main, ConditionalConfig, __doc__ or "")
