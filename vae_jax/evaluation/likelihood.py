"""log p(x) of held-out data by importance sampling from the posterior."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vae_jax.data.dataset import Examples
from vae_jax.distributions.base import draw, total
from vae_jax.evaluation.rate_distortion import mean_and_error
from vae_jax.keys import use
from vae_jax.models.part import Params
from vae_jax.progress import in_parts
from vae_jax.training.recipe import Recipe

IMAGES = 20  # at a time: with a chunk of samples for each, enough rows to fill the matrix units
CALL = 500  # images per call of the compiled program, between two updates of progress
CONVERGED = 0.05  # nats; converged means that more samples would add less
ENOUGH = 100  # effective samples that it takes, as fewer may miss heavy tails; of fewer than 400 samples, a quarter


class LogLikelihood(NamedTuple):
    """An estimate of the mean of log p(x), in nats per example.

    Attributes:
      log_likelihood: the mean over examples; a lower bound in expectation, which tightens with more samples. Read it as
        log p(x) only if `converged`.
      error: its standard error over examples: how much another test set of this size may differ.
      sampling_error: its standard error from the importance samples alone, for these examples; by the delta method, so
        unreliable for a handful of effective samples: with 200 samples and twelve latents it was a third too small.
      effective_samples: (Σw)²/Σw², at most `samples`: the harmonic mean over examples, dominated by those with few.
      samples: importance samples per example.
      per_example: `[n]`.
      bounds: k -> (mean, error) of the bound with k samples (Burda et al. 2016, eq. 8), from the same weights in groups
        of k; the first is the ELBO, the last `log_likelihood`. Groups nest, so the bound never falls with k.
      gains: k -> (mean, error) of the gain of each example's bound over the previous number of samples. The error is
        that of the gain itself, without the spread of the examples.
      remaining: roughly what more samples would still add, in nats: the larger of ½ (Σw²/(Σw)² − 1/k), the bias to
        first order, and the gains continued at the power of k at which they fell. An extrapolation, too small if the
        weights have heavy tails. NaN for one sample.
      converged: whether `remaining` is below 0.05 nats and at least 100 samples, or a quarter of fewer than 400, are
        effective. An indication, not a proof: regions that no sample has reached have no weight.
    """

    log_likelihood: float
    error: float
    sampling_error: float
    effective_samples: float
    samples: int
    per_example: np.ndarray
    bounds: dict[int, tuple[float, float]]
    gains: dict[int, tuple[float, float]]
    remaining: float
    converged: bool

    def shifted(self, nats: float) -> "LogLikelihood":
        """The same estimate with a constant added to log p(x), such as the logarithm of a Jacobian."""
        bounds = {k: (mean + nats, error) for k, (mean, error) in self.bounds.items()}
        whole, each = self.log_likelihood + nats, self.per_example + nats
        return self._replace(log_likelihood=whole, per_example=each, bounds=bounds)


def log_likelihood(
    recipe: Recipe,
    params: Params,
    key: Array,
    data: Examples,
    *,
    num_samples: int = 1000,
    chunk: int = 50,
    progress: bool = True,
) -> LogLikelihood:
    """log p(x) ≈ log (1/k) Σ_i p(x|z_i) p(z_i)/q(z_i|x), z_i ~ q(z|x): Burda et al. 2016, eq. 8.

    Every example is used, with all its samples; these are drawn in chunks under a running log-sum-exp, so that memory
    does not grow with their number.

    Args:
      recipe: its model and preprocessing are used; its posterior must be a density, not a point.
      params: those of the model.
      key: a typed key.
      data: e.g. the test set, as the recipe takes it: standardised rows, if the model's were. `Units.log_jacobian` is
        the difference to nats of rows in their own units.
      num_samples: k; rounded up to equal chunks if it has no divisor near `chunk`. The result says how many.
      chunk: samples at a time, at most.
      progress: whether to show a bar if it takes longer than two seconds.

    Raises:
      ValueError: the posterior is a point, which has no density; or fewer than one sample.
    """
    if not recipe.has_density:
        raise ValueError(f"loss {recipe.loss.name!r} has a point for a posterior: log p(x) needs a density q(z|x).")
    if num_samples < 1 or chunk < 1:
        raise ValueError(f"num_samples and chunk must be at least 1; got {num_samples} and {chunk}.")
    chunks, chunk = split(num_samples, chunk)
    data = recipe.labelled(data)
    n, estimates, key = data.x.shape[0], [], use(key, "likelihood")

    def found() -> str:
        return f"{np.mean([part[-1].mean() for part in estimates]):.2f} nats"

    doing = f"log p(x), {num_samples} samples"
    for rows in in_parts(n, CALL, doing=doing, unit="image", progress=progress, found=found):
        part = jax.tree.map(lambda leaf, rows=rows: jnp.asarray(leaf[rows]), data)
        keys = jax.vmap(partial(jax.random.fold_in, key))(rows)
        estimates.append([np.asarray(a, np.float64) for a in _estimate(recipe, params, keys, part, chunks, chunk)])
    log_squares, *bounds = (np.concatenate(parts)[:n] for parts in zip(*estimates, strict=True))
    per_example, samples = bounds[-1], chunks * chunk
    inverse = np.exp(log_squares - 2 * (per_example + np.log(samples)))  # Σw²/(Σw)²
    rungs = ladder(chunks, chunk)
    gains = {k: mean_and_error(b - a) for k, a, b in zip(rungs[1:], bounds, bounds[1:], strict=False)}
    remaining = max(0.5 * float(np.mean(inverse - 1 / samples)), _continued(rungs, gains)) if gains else float("nan")
    return LogLikelihood(
        *mean_and_error(per_example),
        float(np.sqrt(np.sum(np.maximum(inverse - 1 / samples, 0))) / n),
        float(1 / np.mean(inverse)),
        samples,
        per_example,
        {k: mean_and_error(bound) for k, bound in zip(rungs, bounds, strict=True)},
        gains,
        remaining,
        bool(remaining < CONVERGED and 1 / np.mean(inverse) >= min(ENOUGH, samples / 4)),
    )


def _continued(rungs: list[int], gains: dict[int, tuple[float, float]]) -> float:
    """What the gains add up to beyond the last rung, if the gain per unit of log k goes on falling as k^−a.

    a is 1 if the weights have a variance, and smaller if they have heavy tails. A single gain is returned as it is.
    """
    logs = np.log(rungs)
    rates = np.array([gains[k][0] for k in rungs[1:]]) / np.diff(logs)
    if rates[-1] <= 0 or len(rates) == 1:
        return max(gains[rungs[-1]][0], 0.0)
    middles = (logs[1:] + logs[:-1]) / 2
    fall = np.log(max(rates[-2], 1e-12) / rates[-1]) / (middles[-1] - middles[-2])
    fall = max(float(fall), 0.1)
    return float(rates[-1] * np.exp(-fall * (logs[-1] - middles[-1])) / fall)


def split(num_samples: int, chunk: int) -> tuple[int, int]:
    """The number of chunks and their size: a divisor of k between `chunk`/2 and `chunk`, else k is rounded up."""
    if num_samples <= chunk:
        return 1, num_samples
    size = next((size for size in range(chunk, chunk // 2, -1) if num_samples % size == 0), None)
    if size is None:
        size = -(-num_samples // -(-num_samples // chunk))
    return -(-num_samples // size), size


def ladder(chunks: int, chunk: int) -> list[int]:
    """Numbers of samples whose bounds are reported: 1, a chunk, and up to all, each a multiple of the one before."""
    steps, groups = sorted({1, chunk}), 1
    while groups < chunks:
        factors = [f for f in range(10, 1, -1) if chunks // groups % f == 0]
        groups *= factors[0] if factors else chunks // groups
        steps.append(groups * chunk)
    return steps


@partial(jax.jit, static_argnums=(0, 4, 5))
def _estimate(recipe: Recipe, params: Params, keys: Array, data: Examples, chunks: int, chunk: int) -> list[Array]:
    """log Σ w², then the bounds of the ladder, `[n]` each."""
    model = recipe.model

    def one(inputs):
        key, (x, y) = inputs
        key_pixels, key_samples = jax.random.split(key)
        x = recipe.preprocess(key_pixels, x)
        posterior, prior = model.encode(params, x, y), model.latent_prior(params, y)

        def log_weight(key):
            z = draw(posterior, key)
            return (
                total(model.decode(params, z, y).log_prob(x)) + total(prior.log_prob(z)) - total(posterior.log_prob(z))
            )

        def body(log_squares, index):
            weights = jax.vmap(log_weight)(jax.random.split(jax.random.fold_in(key_samples, index), chunk))
            of_chunk = weights.mean(), jax.nn.logsumexp(weights) - jnp.log(chunk)
            return jnp.logaddexp(log_squares, jax.nn.logsumexp(2 * weights)), of_chunk

        log_squares, (elbos, means) = lax.scan(body, jnp.full((), -jnp.inf), jnp.arange(chunks))
        estimates = [log_squares, elbos.mean()]
        for k in ladder(chunks, chunk)[1:]:
            groups = means.reshape(-1, k // chunk)
            estimates.append(jnp.mean(jax.nn.logsumexp(groups, axis=1) - jnp.log(k // chunk)))
        return estimates

    return lax.map(one, (keys, data), batch_size=IMAGES)
