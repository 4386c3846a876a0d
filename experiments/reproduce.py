"""Train published models and set what comes out beside what was published.

    python experiments/reproduce.py                            # every row
    python experiments/reproduce.py flax-mnist --seeds 1

Each seed is trained anew and measured on the test set: the negative ELBO with one sample an image, and −log p(x) by
importance sampling. Leaves reproduce.json: published and found, seeds, 95 % interval, command. Seeds that are in the
file are not trained again.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from vae_jax.commands.cli import run_command
from vae_jax.errors import InputError, nearest
from vae_jax.evaluation import evaluate_elbo, log_likelihood
from vae_jax.evaluation.populations import Mean, settings
from vae_jax.runs import Config, build
from vae_jax.trained import train
from vae_jax.writing import write_json

MEASURES = ("negative_elbo", "distortion", "rate", "nll")


@dataclass(frozen=True)
class Published:
    """A model that someone else trained.

    Attributes:
      choices: fields of `Config`; the flags of the command.
      numbers: what was published, on the test set in nats per image.
      source: where.
      samples: importance samples of `nll`.
    """

    choices: Mapping[str, Any]
    numbers: Mapping[str, float]
    source: str
    samples: int = 1000


ALTOSAAR: dict[str, Any] = {
    "data": "binarized_mnist",
    "hidden": (256, 256),
    "latent": 128,
    "optimizer": "rmsprop",
    "initializer": "uniform",
    "epochs": 167,  # of 390 steps: 65,130
}
ROWS = {
    "flax-mnist": Published(
        {"data": "binarized_mnist", "hidden": (500,), "latent": 20, "epochs": 10},
        {"negative_elbo": 103.60, "distortion": 76.54, "rate": 27.06},
        "the Flax VAE example, log in flax issue 1361",
    ),
    "pytorch-mnist": Published(
        {"data": "mnist", "hidden": (400,), "latent": 20, "epochs": 10, "initializer": "uniform"},
        {"negative_elbo": 105.59},
        "the PyTorch VAE example; grey pixels under a Bernoulli, so no likelihood",
    ),
    "altosaar-mnist": Published(
        {**ALTOSAAR, "loss": "iwae", "set": ("num_samples=1",)},  # as there: the KL is sampled, log q(z|x) − log p(z)
        {"negative_elbo": 103.31, "nll": 97.10},
        "altosaar/variational-autoencoder, log in its README: 65,000 steps, 128 importance samples",
        samples=128,
    ),
    "altosaar-mnist-closed-form": Published(
        ALTOSAAR,
        {"negative_elbo": 103.31, "nll": 97.10},
        "the same with the KL in closed form, to tell what that is worth",
        samples=128,
    ),
}


@dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """What to train."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """flax-mnist, pytorch-mnist, altosaar-mnist, altosaar-mnist-closed-form. Default: all."""
    seeds: int = 3
    """How many, from 0."""
    manual_dir: Path | None = None
    """Folder with a folder of original files for each data set, in place of downloads."""
    out: Path = field(default=Path("runs") / "reproduce")
    """Folder for reproduce.json."""


def main(config: ReproduceConfig) -> None:
    for name in config.names:
        if name not in ROWS:
            raise InputError(f"{name}: no such row; {nearest(name, ROWS)}")
    if config.seeds < 1:
        raise InputError(f"--seeds {config.seeds}: expected how many, at least 1.")
    path = config.out / "reproduce.json"
    config.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in config.names or ROWS:
        row = ROWS[name]
        before = found.get(name, {})
        same = before.get("command") == command_of(row) and before.get("importance_samples") == row.samples
        models = before["models"] if same else []
        for seed in range(len(models), config.seeds):  # none that was trained in this way is trained again
            models = [*models, train_and_measure(row, seed, config.manual_dir)]
            measured = [{"diverged": False, **{key: model[key] for key in ("seed", *MEASURES)}} for model in models]
            (entry,) = settings(measured, MEASURES)
            found[name] = {
                "published": dict(row.numbers),
                "source": row.source,
                "ours": {measure: entry[measure] for measure in MEASURES},
                "seeds": len(models),
                "importance_samples": row.samples,
                "command": command_of(row),
                "models": models,
            }
            write_json(path, found)
        print(report(name, found[name]))
    print(f"See {path}.")


def train_and_measure(row: Published, seed: int, manual_dir: Path | None) -> dict[str, Any]:
    """One seed, trained and measured."""
    folder = manual_dir and manual_dir / row.choices["data"]
    experiment = build(Config(seed=seed, manual_dir=folder, **row.choices))
    data, recipe, keys = experiment.data, experiment.recipe, experiment.keys
    started = time.perf_counter()
    params = train(experiment).params
    seconds = time.perf_counter() - started
    test = evaluate_elbo(recipe, params, keys.test, data.test)
    likelihood = log_likelihood(recipe, params, keys.codes, data.test, num_samples=row.samples)
    return {
        "seed": seed,
        **{name: test[name] for name in ("negative_elbo", "distortion", "rate")},
        "nll": -likelihood.log_likelihood,
        "negative_elbo_error": test["negative_elbo_error"],
        "nll_error": likelihood.error,
        "bounds": likelihood.bounds,
        "seconds": seconds,
    }


def command_of(row: Published) -> str:
    """The command that trains it."""
    flags = [
        f"--{name.replace('_', '-')} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in row.choices.items()
    ]
    return f"python experiments/train.py {' '.join(flags)}"


def report(name: str, found: Mapping[str, Any]) -> str:
    """A row of the table."""
    lines = [f"{name}, {found['seeds']} seeds: {found['command']}"]
    for measure in MEASURES:
        ours = Mean(**found["ours"][measure]).words(2)
        theirs = f"{found['published'][measure]:.2f}" if measure in found["published"] else "–"
        lines.append(f"  {measure:<16}{ours:>16}   published {theirs}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main, ReproduceConfig, __doc__ or "")
