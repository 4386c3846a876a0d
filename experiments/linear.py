"""Linear β-VAEs, trained as one sweep, beside the exact rate-distortion curve of their data.

The data have a known covariance, so the best rate and distortion of every β are known in closed form, and which latents
collapse. Everything is measured without sampling: what is left is what training did.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.commands.cli import run_command
from vae_jax.writing import replace_file

EIGENVALUES = np.array([4.0, 2.0, 0.5, 0.3, 0.2, 0.2])
VARIANCE = 0.4  # σ² of p(x|z)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of this experiment."""

    betas: tuple[float, ...] = (0.1, 0.3, 0.6, 1.0, 1.5, 3.0, 6.0, 12.0)
    """Values of β."""
    seeds: int = 3
    """Models of each."""
    latent: int = 3
    """Latent dimensions."""
    steps: int = 20_000
    """Of Adam, on all examples at once, with a rate that falls to 0."""
    out: Path = Path("runs/linear")
    """Folder for the results."""


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import optax

    from vae_jax import VAE, sweep, training
    from vae_jax.data import Examples
    from vae_jax.distributions import kl_standard_normal
    from vae_jax.models import DenseDecoder, DenseEncoder, GaussianLikelihood, LinearGaussian, beta_vae_optimum

    def adam_with_decay(learning_rate: Any) -> optax.GradientTransformation:
        schedule = optax.cosine_decay_schedule(1.0, config.steps)
        return optax.chain(
            optax.scale_by_adam(), optax.scale_by_schedule(schedule), optax.scale_by_learning_rate(learning_rate)
        )

    x = known_covariance()
    model = VAE(DenseEncoder(config.latent, ()), DenseDecoder((x.shape[1],), ()), GaussianLikelihood(VARIANCE**0.5))
    recipe = training.Recipe(model=model, batch_size=len(x), optimizer=adam_with_decay)
    members = sweep.grid(recipe, beta=config.betas, learning_rate=5e-2, seeds=config.seeds)
    models = sweep.sweep(recipe, members, Examples(x), epochs=config.steps)

    rows, examples = [], jnp.asarray(x)
    for index in range(members.count):
        params = models.params(index)
        layer = params["decoder"]["params"]["likelihood"]
        decoder = LinearGaussian(jnp.asarray(layer["kernel"].T), jnp.asarray(layer["bias"]), jnp.asarray(VARIANCE))
        posterior = jax.vmap(partial(model.encode, params))(examples)
        elbo = float(jax.vmap(decoder.elbo)(examples, posterior.mean, posterior.log_var).mean())
        rates = np.asarray(kl_standard_normal(posterior.mean, posterior.log_var).mean(axis=0))
        named = members.named(index)
        best = beta_vae_optimum(EIGENVALUES, config.latent, beta=named["beta"], variance=VARIANCE)
        rows.append(
            {
                **named,
                "rate": float(rates.sum()),
                "distortion": -elbo - float(rates.sum()),
                "negative_elbo": -elbo,
                "active_units": int((rates > 0.02).sum()),
                "rate_per_latent": rates.tolist(),
                "diverged": not bool(models.finite[index]),
                "exact": {
                    "rate": best.rate,
                    "distortion": best.distortion,
                    "active_units": int((best.rate_per_latent > 0).sum()),
                },
            }
        )
    config.out.mkdir(parents=True, exist_ok=True)
    replace_file(config.out / "summary.json", json.dumps(rows, indent=1) + "\n")
    fine = np.geomspace(min(config.betas), max(config.betas), 200)
    optima = [beta_vae_optimum(EIGENVALUES, config.latent, beta=beta, variance=VARIANCE) for beta in fine]
    exact = np.array([[optimum.rate, optimum.distortion] for optimum in optima])
    entries = sweep.settings([{name: row[name] for name in row if name != "exact"} for row in rows])
    title = "linear β-VAEs and the exact curve"
    sweep.rate_distortion(entries, config.out / "rate_distortion.png", exact=exact, title=title)
    print(f"{'β':>6}{'rate':>10}{'exact':>8}{'distortion':>12}{'exact':>8}{'active':>8}{'exact':>7}   (means)")
    for entry, row in zip(entries, rows[:: config.seeds], strict=True):
        best, mean = row["exact"], {name: entry[name]["mean"] for name in ("rate", "distortion", "active_units")}
        print(
            f"{entry['beta']:>6g}{mean['rate']:>10.3f}{best['rate']:>8.3f}{mean['distortion']:>12.3f}"
            f"{best['distortion']:>8.3f}{mean['active_units']:>8.1f}{best['active_units']:>7}"
        )
    worst = max(abs(row[name] - row["exact"][name]) for row in rows for name in ("rate", "distortion"))
    print(f"largest difference of any model: {worst:.1e} nats. See {config.out / 'rate_distortion.png'}.")


def known_covariance(n: int = 256) -> np.ndarray:
    """n rows whose covariance has exactly `EIGENVALUES`, along random axes."""
    random = np.random.RandomState(2)
    x = random.randn(n, len(EIGENVALUES))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / n)).T
    axes, _ = np.linalg.qr(random.randn(len(EIGENVALUES), len(EIGENVALUES)))
    return ((x * np.sqrt(EIGENVALUES)) @ axes.T + 3.0).astype(np.float32)


if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
