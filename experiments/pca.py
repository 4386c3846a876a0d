"""An autoencoder against PCA at the same latent sizes: squared errors on the test set, and the pictures.

Trains `--loss ae --likelihood gaussian` for each of `--latents`, and evaluates both in the same way.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vae_jax import plots
from vae_jax.commands.cli import run_command
from vae_jax.data import Examples
from vae_jax.evaluation import evaluate_elbo, reconstruct
from vae_jax.models import fit_pca
from vae_jax.runs import Config, build
from vae_jax.trained import train
from vae_jax.writing import replace_file


@dataclass(frozen=True, kw_only=True)
class PcaConfig(Config):
    latents: tuple[int, ...] = (2, 8, 32)
    """Latent sizes to compare at."""


def main(config: PcaConfig) -> None:
    out = config.out or Path("runs") / f"{Path(config.data).stem}-pca"
    out.mkdir(parents=True, exist_ok=True)
    table = []
    for latent in config.latents:
        experiment = build(replace(config, latent=latent, loss="ae", likelihood="gaussian"))
        data, recipe, keys = experiment.data, experiment.recipe, experiment.keys
        params = train(experiment).params
        pixels = np.asarray(recipe.preprocessed(keys.pictures, data.train.x))
        linear, directions = fit_pca(pixels, latent)
        baseline = replace(recipe, model=linear)
        errors = {
            name: evaluate_elbo(r, weights, keys.test, data.test)["mean_squared_error"]
            for name, r, weights in (("pca", baseline, directions), ("autoencoder", recipe, params))
        }
        table.append({"latent": latent, **errors})
        if experiment.images:
            first = Examples(data.test.x[:10])
            of_ae = reconstruct(recipe, params, keys.test, first, experiment.hyper)
            of_pca = reconstruct(baseline, directions, keys.test, first, experiment.hyper)
            rows = {"original": of_ae.original, "PCA": of_pca.decoded, "autoencoder": of_ae.decoded}
            plots.image_rows(rows, out / f"reconstructions-{latent}.png", title=f"{latent} latents")
    replace_file(out / "pca.json", json.dumps(table, indent=2) + "\n")
    print(f"\n{config.data}, squared error per test image, summed over pixels:\n  latents      PCA  autoencoder")
    for row in table:
        print(f"  {row['latent']:>7}  {row['pca']:7.3f}  {row['autoencoder']:11.3f}")
    print(f"See {out}.")


if __name__ == "__main__":
    run_command(main, PcaConfig, __doc__ or "")
