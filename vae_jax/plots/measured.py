"""Pictures of an evaluation: the bound as samples grow, and what latents know about factors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.evaluation.metrics.information import mutual_information
from vae_jax.evaluation.metrics.table import TRAIN
from vae_jax.plots import charts
from vae_jax.plots.table import Subject, register
from vae_jax.plots.traversals import by_rate


@register("log_likelihood")
def draw_bounds(subject: Subject, path: Path) -> None:
    """The importance-weighted bound as the number of samples grows."""
    if subject.measured is not None and "bounds" in subject.measured["log_likelihood"]:
        measured = subject.measured["log_likelihood"]
        charts.bounds(measured["bounds"], path, gains=measured["gains"], verdict=verdict(measured))


def verdict(likelihood: Mapping[str, Any]) -> str:
    """Whether an estimate of log p(x) may be read as one."""
    if likelihood["converged"]:
        return f"converged as far as {likelihood['samples']:,} samples tell: more would add less than 0.05 nats"
    if likelihood["samples"] == 1:
        return "lower bound on log p(x): one sample is the ELBO"
    few = f"{likelihood['effective_samples']:.0f} effective samples"
    return f"lower bound on log p(x), not converged ({few}): more may add {likelihood['remaining']:.2f} nats or more"


@register("factor_information")
def draw_factor_information(subject: Subject, path: Path) -> None:
    """What each latent knows about each factor, less what the estimate says of codes in another order."""
    if subject.measured is None or subject.representation is None:
        return
    random = np.random.RandomState(0)
    factors, codes = subject.representation.sample(random, TRAIN)
    bias = mutual_information(codes[random.permutation(len(codes))], factors)
    order, names = by_rate(subject.measured["test"]["rate_per_latent"], codes.shape[1])
    charts.matrix(
        np.maximum(mutual_information(codes, factors) - bias, 0.0)[order],
        path,
        rows=names,
        columns=subject.representation.names,
        title="what each latent (its rate in nats) knows about each factor",
        unit="mutual information above chance, nats",
    )
