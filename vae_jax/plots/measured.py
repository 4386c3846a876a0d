"""Pictures of an evaluation: the bound as samples grow, and what latents know about factors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.evaluation.metrics.information import mutual_information
from vae_jax.evaluation.metrics.score import TRAIN
from vae_jax.plots import charts
from vae_jax.plots.plot import PLOTS
from vae_jax.plots.traversals import by_rate
from vae_jax.trained.measures import Evaluation
from vae_jax.trained.model import Trained


@PLOTS.register("log_likelihood", evaluated=True)
def draw_bounds(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """The importance-weighted bound as the number of samples grows.

    Args:
      model: not used.
      path: where to write the PNG.
      evaluation: nothing is drawn if it has no estimate of log p(x).
    """
    measured = evaluation.measures["log_likelihood"]
    if "bounds" in measured:
        charts.bounds(measured["bounds"], path, gains=measured["gains"], verdict=verdict(measured))


def verdict(likelihood: Mapping[str, Any]) -> str:
    """Whether an estimate of log p(x) has converged, in words."""
    if likelihood["converged"]:
        return f"converged as far as {likelihood['samples']:,} samples tell: more would add less than 0.05 nats"
    if likelihood["samples"] == 1:
        return "lower bound on log p(x): one sample is the ELBO"
    few = f"{likelihood['effective_samples']:.0f} effective samples"
    return f"lower bound on log p(x), not converged ({few}): more may add {likelihood['remaining']:.2f} nats or more"


@PLOTS.register("factor_information", evaluated=True)
def draw_factor_information(model: Trained, path: Path, evaluation: Evaluation) -> None:
    """What each latent knows about each factor, minus the same estimate for shuffled codes.

    Args:
      model: not used.
      path: where to write the PNG.
      evaluation: nothing is drawn if it has no representation.
    """
    representation = evaluation.representation
    if representation is None:
        return
    random = np.random.RandomState(0)
    factors, codes = representation.sample(random, TRAIN)
    bias = mutual_information(codes[random.permutation(len(codes))], factors)
    order, names = by_rate(evaluation.measures["test"]["rate_per_latent"], codes.shape[1])
    charts.matrix(
        np.maximum(mutual_information(codes, factors) - bias, 0.0)[order],
        path,
        rows=names,
        columns=representation.names,
        title="what each latent (its rate in nats) knows about each factor",
        unit="mutual information above chance, nats",
    )
