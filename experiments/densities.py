"""KL divergences and mixtures, in numbers and pictures.

The KL three ways (closed form, quadrature, Monte Carlo); one normal fitted to two modes by forward and by reverse KL;
the identity log p(x) = ELBO + KL(q ‖ p(z|x)) where all is known; and finite mixtures of normals against a VAE, an
infinite one, on the same data.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import VAE, Mixture, Normal, plots, training
from vae_jax.commands.cli import run_command
from vae_jax.data import Examples
from vae_jax.distributions import fit_forward_kl, fit_reverse_kl, kl_monte_carlo, kl_quadrature, kl_standard_normal
from vae_jax.evaluation import fit_code_mixture, log_likelihood
from vae_jax.models import DenseDecoder, DenseEncoder, LearnedGaussianLikelihood, LinearGaussian
from vae_jax.writing import replace_file

GRID = jnp.linspace(-12, 12, 4801)


@dataclass(frozen=True, kw_only=True)
class Config:
    out: Path = Path("runs/densities")
    """Folder for the results."""
    seed: int = 0
    """Of all samples."""
    epochs: int = 300
    """Of the VAEs that are compared with finite mixtures."""
    samples: int = 1000
    """Importance samples for log p(x) of a VAE."""


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    key_kl, key_train = jax.random.split(jax.random.key(config.seed))
    results = {
        "kl_three_ways": kl_three_ways(key_kl),
        "forward_and_reverse": forward_and_reverse(config.out),
        "identity": identity(),
        "mixtures": mixtures(key_train, config),
    }
    replace_file(config.out / "densities.json", json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    print(f"See {config.out}: forward_and_reverse.png, mixtures_line.png, mixtures_ring.png, densities.json.")


def kl_three_ways(key: jax.Array) -> dict[str, float]:
    """KL(N(1, 0.5²) ‖ N(0, 1)) in nats."""
    q, p = Normal(jnp.array(1.0), jnp.log(0.25)), Normal(jnp.array(0.0), jnp.array(0.0))
    estimate = kl_monte_carlo(key, q, p, 100_000)
    return {
        "closed_form": float(kl_standard_normal(q.mean, q.log_var)),
        "quadrature": float(kl_quadrature(q.log_prob, p.log_prob, GRID)),
        "monte_carlo": float(estimate.value),
        "monte_carlo_error": float(estimate.error),
    }


def forward_and_reverse(out: Path) -> dict[str, Any]:
    """One normal for two modes: KL(p ‖ q) covers both, KL(q ‖ p) seeks one."""
    modes = Mixture(jnp.log(jnp.array([0.6, 0.4])), jnp.array([[-3.0], [3.0]]), jnp.log(jnp.array([[1.0], [0.64]])))

    def log_p(z):
        return modes.log_prob(z[None])

    forward = fit_forward_kl(log_p, GRID)
    reverse = [fit_reverse_kl(log_p, GRID, Normal(jnp.array(start), jnp.array(0.0))) for start in (-2.0, 2.0)]
    curves = {"target p": log_p, "forward, min KL(p ‖ q)": forward.log_prob}
    curves |= {f"reverse, min KL(q ‖ p), start {s}": q.log_prob for s, q in zip((-2, 2), reverse, strict=True)}
    densities = {name: np.exp(jax.vmap(log_density)(GRID)) for name, log_density in curves.items()}
    plots.densities(np.asarray(GRID), densities, out / "forward_and_reverse.png", title="one normal for two modes")
    return {
        "forward": {"mean": float(forward.mean), "sigma": float(jnp.exp(0.5 * forward.log_var))},
        "reverse": [{"mean": float(q.mean), "sigma": float(jnp.exp(0.5 * q.log_var))} for q in reverse],
        "kl_of_reverse": [float(kl_quadrature(q.log_prob, log_p, GRID)) for q in reverse],
        "kl_of_forward": float(kl_quadrature(forward.log_prob, log_p, GRID)),
    }


def identity() -> dict[str, float]:
    """log p(x) = ELBO(q) + KL(q ‖ p(z|x)) for a q that is not the posterior."""
    model = LinearGaussian(jnp.array([[1.0, 0.2], [-0.5, 0.7], [0.3, 0.1]]), jnp.zeros(3), jnp.array(0.4))
    x, mean, log_var = jnp.array([0.3, -1.0, 0.5]), jnp.array([0.2, -0.1]), jnp.array([-1.0, -0.5])
    bound, gap = model.elbo(x, mean, log_var), model.kl_to_posterior(x, mean, log_var)
    return {"elbo": float(bound), "kl": float(gap), "sum": float(bound + gap), "log_p": float(model.log_marginal(x))}


def mixtures(key: jax.Array, config: Config) -> dict[str, dict[str, float]]:
    """Held-out log p in nats of mixtures of 1 to 64 normals and of a VAE, an infinite mixture, on two data sets."""
    results, key_line, key_ring = {}, *jax.random.split(key)
    results["line"], fitted, density = mixtures_on(key_line, line, config)
    grid = np.linspace(-1, 6, 281, dtype=np.float32)
    curves = {
        "data, a histogram": np.histogram(line(np.random.RandomState(99), 200_000)[:, 0], 281, (-1, 6), density=True)[0]
    }
    curves |= {f"{k} normal" + "s" * (k > 1): np.exp(jax.vmap(fitted[k].log_prob)(grid[:, None])) for k in (1, 4)}
    curves["VAE, infinitely many"] = np.exp(density(grid[:, None]))
    plots.densities(grid, curves, config.out / "mixtures_line.png", title="finite mixtures and the infinite one")

    results["ring"], fitted, sample = mixtures_on(key_ring, ring, config, sample=1024)
    keys = jax.random.split(jax.random.key(config.seed + 1), 1024)
    clouds = {"data": ring(np.random.RandomState(99), 1024)}
    clouds |= {f"{k} normals": np.asarray(jax.vmap(fitted[k].sample)(jax.random.clone(keys))) for k in (4, 16)}
    plots.point_clouds({**clouds, "VAE, infinitely many": sample}, config.out / "mixtures_ring.png")
    return results


def mixtures_on(key: jax.Array, source: Callable, config: Config, *, sample: int = 0) -> tuple[dict, dict, Any]:
    """Fit both kinds: held-out log p, the finite mixtures, and the VAE's log density, or `sample` draws of it."""
    key_train, key_test, key_density = jax.random.split(key, 3)
    train, test = (source(np.random.RandomState(config.seed + i), n) for i, n in enumerate((4096, 1024)))
    d = train.shape[1]
    model = VAE(DenseEncoder(2, (64, 64)), DenseDecoder((d,), (64, 64)), LearnedGaussianLikelihood())
    recipe = training.Recipe(model=model)
    run = jax.jit(partial(training.run, recipe, epochs=config.epochs))
    state, _ = run(key_train, training.hyperparameters(recipe, learning_rate=2e-3), Examples(train))
    fitted = {k: fit_code_mixture(train, components=k, seed=config.seed) for k in (1, 4, 16, 64)}
    results = {f"finite_{k}": float(jax.vmap(mixture.log_prob)(test).mean()) for k, mixture in fitted.items()}
    found = log_likelihood(recipe, state.params, key_test, Examples(test), num_samples=config.samples)
    results |= {"vae": found.log_likelihood, "vae_error": found.error}
    if sample:
        key_z, key_noise = jax.random.split(key_density)
        z, noise = jax.random.normal(key_z, (sample, 2)), jax.random.split(key_noise, sample)
        draw = jax.vmap(lambda key, z: model.decode(state.params, z).sample(key))
        return results, fitted, np.asarray(draw(noise, z))

    def density(x):
        found = log_likelihood(recipe, state.params, key_density, Examples(x), num_samples=config.samples)
        return found.per_example

    return results, fitted, density


def line(random: np.random.RandomState, n: int) -> np.ndarray:
    """A skewed density and a narrow bump, `[n, 1]`."""
    skewed, bump = random.gamma(2.0, 0.5, n), 4 + 0.2 * random.randn(n)
    return np.where(random.rand(n) < 0.7, skewed, bump)[:, None].astype(np.float32)


def ring(random: np.random.RandomState, n: int) -> np.ndarray:
    """Points about a circle of radius 2, `[n, 2]`."""
    angle = random.uniform(0, 2 * np.pi, n)
    return (2 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.15 * random.randn(n, 2)).astype(np.float32)


if __name__ == "__main__":
    run_command(main, Config, __doc__ or "")
