"""What the KL term does: the same VAE with β = 0 and with β = 1.

Without it σ shrinks to nothing, the codes leave the prior, and samples of the prior decode to no digit; a classifier
trained on real images is asked how sure it is of the samples. Needs labels.
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
from vae_jax.evaluation import encode_all, evaluate_elbo, prior_match
from vae_jax.runs import Config, build
from vae_jax.trained import train
from vae_jax.writing import replace_file

SAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class KlTermConfig(Config):
    betas: tuple[float, ...] = (0.0, 1.0)
    """Weights of the KL term to compare."""


def main(config: KlTermConfig) -> None:
    from sklearn.linear_model import LogisticRegression

    out = config.out or Path("runs") / f"{Path(config.data).stem}-kl-term"
    out.mkdir(parents=True, exist_ok=True)
    base = build(config)
    data, recipe, keys = base.data, base.recipe, base.keys
    if data.train.y is None or not base.images:
        raise InputError(f"--data {config.data}: expected labelled images, to train a classifier on.")
    real = slice(0, 10_000)
    classifier = LogisticRegression(max_iter=300, C=0.01).fit(_flat(data.train.x[real]), data.train.y[real])
    results: dict[str, Any] = {"classifier_accuracy": float(classifier.score(_flat(data.test.x), data.test.y))}
    results["confidence_real"] = _confidence(classifier, _flat(data.test.x))
    rows = {}
    for beta in config.betas:
        experiment = build(replace(config, beta=beta))
        params = train(experiment).params
        posterior = encode_all(recipe, params, keys.test, data.test)
        images = np.asarray(recipe.model.generate(keys.pictures, params, SAMPLES))
        test = evaluate_elbo(recipe, params, keys.test, data.test)
        results[f"beta_{beta:g}"] = {
            "mean_posterior_sigma": float(jnp.mean(jnp.exp(0.5 * posterior.log_var))),
            "mmd2_to_prior": prior_match(keys.codes, posterior).mmd2,
            "confidence_samples": _confidence(classifier, images.reshape(SAMPLES, -1)),
            **{name: test[name] for name in ("negative_elbo", "distortion", "rate")},
        }
        rows[f"β = {beta:g}"] = images[:10]
    rows["real"] = np.asarray(recipe.preprocessed(keys.pictures, data.test.x[:10]))
    plots.image_rows(rows, out / "samples.png", title="samples of the prior, decoded")
    replace_file(out / "kl_term.json", json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    print(f"See {out / 'samples.png'}.")


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float32).reshape(len(x), -1) / (255 if x.dtype == np.uint8 else 1)


def _confidence(classifier, x: np.ndarray) -> float:
    return float(classifier.predict_proba(x).max(axis=1).mean())


if __name__ == "__main__":
    run_command(main, KlTermConfig, __doc__ or "")
