"""Train one model; leave pictures, numbers and a checkpoint in a folder.

Without flags: a VAE on scikit-learn's real 8x8 digits, offline, in under a minute on two cores. The classic MNIST
program (784-400-20, Adam 1e-3, batch 128, 15 epochs) is: python experiments/train.py --data mnist --latent 20
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from vae_jax import figures, gallery, measure, training
from vae_jax.checkpoint import Checkpoints
from vae_jax.command_line import command
from vae_jax.evaluation import elbo_means
from vae_jax.experiment import IMPROPER, Config, build, tables
from vae_jax.fit import fit, start
from vae_jax.run_folder import RunFolder, free_folder

PICTURES = 20  # at most so many of a kind, spread over the run


def main(config: Config) -> None:
    out = config.out or free_folder(Path("runs") / f"{Path(config.data).stem}-{config.loss}", resume=config.resume)
    data, recipe, hyper, keys, epochs = experiment = build(config)
    folder = RunFolder(out, replace(config, out=out), resume=config.resume)
    started = time.perf_counter()
    validate = jax.jit(elbo_means, static_argnums=0)
    watched = jax.device_put(data.validation)
    with Checkpoints(out / "checkpoints") as checkpoints:
        behind, state = checkpoints.restore(start(recipe, keys.train, data.train))
        folder.keep_rows(behind)
        run = fit(recipe, state, keys.train, hyper, data.train, epochs=epochs)
        for done, state, metrics in run:
            validation = jax.device_get(validate(recipe, state.params, keys.validation, watched))
            folder.append(
                {
                    "epoch": done,
                    "step": int(state.step),
                    "train": metrics,
                    "validation": {name: float(value) for name, value in validation.items()},
                }
            )
            if done % -(-epochs // PICTURES) == 0 or done == epochs:
                gallery.draw_epoch(experiment, state.params, out, done)
            checkpoints.save(done, state)
    seconds = time.perf_counter() - started

    images = max(epochs - behind, 0) * training.steps_per_epoch(recipe, data.train) * recipe.batch_size
    summary = {
        **measure.held_out(experiment, state.params),
        "steps": int(state.step),
        "seconds": seconds,
        "images_per_second": images / seconds,
    }
    folder.summarise(summary)
    figures.loss_curves(folder.rows(), out / "curves.png")
    gallery.draw_trained(experiment, state.params, out)
    print(report(config, summary, out))


def report(config: Config, summary: dict[str, Any], out: Path) -> str:
    """The closing table, and where to look."""
    test = summary["test"]
    rows = {
        "negative ELBO": f"{test['negative_elbo']:.2f} ± {test['negative_elbo_error']:.2f} nats per image",
        "distortion, −log p(x|z)": f"{test['distortion']:.2f} nats",
        "rate, KL(q ‖ p)": f"{test['rate']:.2f} nats",
        "loss, as trained": f"{test['loss']:.2f}",
        "squared error": f"{test['mean_squared_error']:.3f} per image, summed over pixels",
        "active units": f"{test['active_units']} of {config.latent}",
        "speed": f"{summary['images_per_second']:,.0f} images a second, {summary['seconds']:.1f} s",
    }
    notes = []
    if test["rate"] != test["rate"]:
        rows["rate, KL(q ‖ p)"] = rows["negative ELBO"] = "not defined: the code is a point"
    if not summary["proper_likelihood"]:
        notes.append(IMPROPER)
    width = max(map(len, rows)) + 2
    lines = [f"{config.data}, test set of {test['examples']:,} images:"]
    lines += [f"  {name:<{width}}{value}" for name, value in rows.items()]
    return "\n".join(["", *lines, *notes, f"See {out / 'samples'}, {out / 'curves.png'} and {out / 'summary.json'}."])


if __name__ == "__main__":
    command(main, Config, f"{__doc__}\n{tables()}")
