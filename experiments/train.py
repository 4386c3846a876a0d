"""Train one model; leave pictures, numbers and a checkpoint in a folder.

Without flags: a VAE on scikit-learn's real 8x8 digits, offline, in under a minute on two cores. The classic MNIST
program (784-400-20, Adam 1e-3, batch 128, 15 epochs) is: python experiments/train.py --data mnist --latent 20
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax import figures, training
from vae_jax.checkpoint import Checkpoints
from vae_jax.command_line import command
from vae_jax.data import Examples
from vae_jax.evaluation import evaluate_elbo, reconstruct
from vae_jax.experiment import Config, Experiment, build
from vae_jax.fit import fit
from vae_jax.run_folder import RunFolder, free_folder

PICTURES = 20  # at most so many of a kind, spread over the run
TERMS = ("negative_elbo", "distortion", "rate")


def main(config: Config) -> None:
    out = config.out or free_folder(Path("runs") / f"{Path(config.data).stem}-{config.loss}", resume=config.resume)
    data, recipe, hyper, keys, epochs = experiment = build(config)
    folder = RunFolder(out, config, resume=config.resume)
    started = time.perf_counter()
    with Checkpoints(out / "checkpoints") as checkpoints:
        behind, state = checkpoints.restore(training.init(recipe, keys.train, data.train))
        folder.keep_rows(behind)
        run = fit(recipe, state, keys.train, hyper, data.train, epochs=epochs)
        for done, state, metrics in run:
            validation = evaluate_elbo(recipe, state.params, keys.validation, data.validation)
            folder.append(
                {
                    "epoch": done,
                    "step": int(state.step),
                    "train": metrics,
                    "validation": {name: validation[name] for name in TERMS},
                }
            )
            if done % -(-epochs // PICTURES) == 0 or done == epochs:
                draw(experiment, state.params, out, done)
            checkpoints.save(done, state)
    seconds = time.perf_counter() - started

    summary = {
        "test": evaluate_elbo(recipe, state.params, keys.test, data.test),
        "steps": int(state.step),
        "seconds": seconds,
        "images_per_second": max(epochs - behind, 0)
        * len(data.train.x)
        // recipe.batch_size
        * recipe.batch_size
        / seconds,
    }
    folder.summarise(summary)
    if folder.rows():
        figures.loss_curves(folder.rows(), out / "curves.png")
    print(report(config, summary, out))


def draw(experiment: Experiment, params: Any, out: Path, epoch: int) -> None:
    """Samples and reconstructions after an epoch: the same z and the same images each time, so that learning shows."""
    data, recipe, _, keys, _ = experiment
    if data.test.x.ndim != 4:  # rows of features are no pictures
        return
    images = recipe.model.generate(keys.pictures, params, 64)
    figures.samples(np.asarray(images), out / "samples" / f"epoch-{epoch:04d}.png", title=f"samples, epoch {epoch}")
    originals, decoded = reconstruct(recipe, params, keys.validation, Examples(data.validation.x[:10]))
    path = out / "reconstructions" / f"epoch-{epoch:04d}.png"
    figures.reconstructions(np.asarray(originals), np.asarray(decoded), path, title=f"reconstructions, epoch {epoch}")


def report(config: Config, summary: dict[str, Any], out: Path) -> str:
    """The closing table, and where to look."""
    test = summary["test"]
    rows = {
        "negative ELBO": f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image",
        "distortion, −log p(x|z)": f"{test['distortion']:.2f} nats",
        "rate, KL(q ‖ p)": f"{test['rate']:.2f} nats",
        "active units": f"{test['active_units']} of {config.latent}",
        "speed": f"{summary['images_per_second']:,.0f} images a second, {summary['seconds']:.1f} s",
    }
    width = max(map(len, rows)) + 2
    lines = [f"{config.data}, test set of {test['examples']:,} images:"]
    lines += [f"  {name:<{width}}{value}" for name, value in rows.items()]
    lines += [
        f"See {out / 'samples'}, {out / 'reconstructions'} and {out / 'curves.png'}; numbers in {out / 'summary.json'}."
    ]
    return "\n".join(["", *lines])


if __name__ == "__main__":
    command(main, Config, __doc__ or "")
