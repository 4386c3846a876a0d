"""What β is for, as a moving picture: one model for each β, and in each cell one latent of it swinging.

Trains a convolutional β-TCVAE for each of --betas on coloured rooms, offline, and draws every latent of a test image
as it swings from −2 to 2 while the others stay at their posterior mean. Below each: the factor that it follows, and the
R² of that factor fitted on the latent alone. Models that the folder holds already are only drawn again.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from vae_jax import data
from vae_jax.commands import sweep
from vae_jax.commands.cli import run_command
from vae_jax.commands.devices import devices_of
from vae_jax.data import Factors
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics import draw_codes, followed, variance_explained
from vae_jax.losses import LOSSES
from vae_jax.plots.movement import LatentCell, ModelRow, moving_rows, swing
from vae_jax.plots.traversals import by_rate
from vae_jax.runs.configuration.config import SweepConfig
from vae_jax.runs.storage.models import Models
from vae_jax.trained.model import Trained

UNUSED = 0.1  # nats of rate below which a latent is
FRAMES, REACH = 40, 2.0


@dataclass(frozen=True, kw_only=True)
class TraverseConfig(SweepConfig):
    data: str = "rooms"
    model: str = "conv"
    loss: str = "beta-tc"
    betas: tuple[float, ...] = (1.0, 8.0)
    seeds: int = 1
    epochs: int | None = 12
    batch_size: int = 64
    schedule: str = "cosine"
    image: int = 0
    """Which test image."""


def main(config: TraverseConfig) -> None:
    devices_of(config, by_default=os.cpu_count() or 1)  # before the data, which may be drawn on them
    factors = expected(config)
    out = config.out or Path("runs") / f"{Path(config.data).name}-traverse"
    shared = {field.name: getattr(config, field.name) for field in fields(SweepConfig)}
    sweep.main(SweepConfig(**{**shared, "out": out, "resume": (out / "config.json").exists()}))
    models = Models(out)
    which = [(row, at) for row, at in models.rows() if row["seed"] == config.seed and row["beta"] in config.betas]
    trained = [models.read(row, at) for row, at in which if not row["diverged"]]
    if not trained:
        raise InputError(f"all models of {out} diverged; lower --learning-rate and train them in another --out.")
    rows = [row_of(model, config.image, factors) for model in sorted(trained, key=lambda model: model.row["beta"])]
    path = moving_rows(rows, out / "traverse.webp", title="Each cell moves one latent of the same image")
    print(f"See {path}.")


def expected(config: TraverseConfig) -> Factors:
    """The factors of the data; or what cannot be drawn, said before hours of training."""
    loss = LOSSES.find(config.loss, f"--loss {config.loss}")
    if "beta" not in loss.hyper or loss.conditional:
        raise InputError(f"--loss {config.loss}: expected one with a β and without labels, as vae and beta-tc are.")
    if config.vary or not config.betas:
        raise InputError("a row is drawn for each of --betas, and nothing else is varied.")
    found = data.load(config.data, config.manual_dir, size=config.size, skip_broken=config.skip_broken)
    if found.factors is None:
        raise InputError(f"--data {config.data} has no known factors; take rooms, sprites or another that has.")
    if not 0 <= config.image < len(found.test.x):
        raise InputError(f"--image {config.image}: expected one from 0 to {len(found.test.x) - 1}.")
    return found.factors


def row_of(model: Trained, image: int, factors: Factors) -> ModelRow:
    """The latents of one model, the most informative first."""
    explained = variance_explained(*draw_codes(lambda x: np.asarray(model.encode(x).mean), factors))
    follows = followed(factors.names, explained)
    mean = jnp.asarray(model.encode(model.data.test.x[image : image + 1]).mean[0])
    order, _ = by_rate(model.row["rate_per_latent"], len(mean))
    rates = model.row["rate_per_latent"] if len(model.row["rate_per_latent"]) == len(mean) else [np.inf] * len(mean)
    cells = []
    for latent in order:
        images = np.asarray(model.decode_traversal(mean, latent, swing(FRAMES, REACH)))
        cells.append(LatentCell(images, *named(follows[latent], rates[latent])))
    lines = (f"rate {model.row['rate']:.1f} nats", f"distortion {model.row['distortion']:,.0f}")
    return ModelRow(f"β = {model.row['beta']:g}", lines, cells)


def named(follows: tuple[str, float], rate: float) -> tuple[str, float, str]:
    """What a latent is called, the share of a factor that it explains, and the words for that share."""
    name, share = follows
    return ("unused", 0.0, "") if rate < UNUSED else (name or "mixed", share, f"R² {share:.2f}")


if __name__ == "__main__":
    run_command(main, TraverseConfig, __doc__ or "")
