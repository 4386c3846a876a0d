"""Pictures of an evaluation: the bound as samples grow, and what latents know about factors."""

from pathlib import Path

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
        charts.bounds(subject.measured["log_likelihood"]["bounds"], path)


@register("factor_information")
def draw_factor_information(subject: Subject, path: Path) -> None:
    """What each latent knows about each factor."""
    if subject.measured is None or subject.representation is None:
        return
    factors, codes = subject.representation.sample(np.random.RandomState(0), TRAIN)
    order, names = by_rate(subject.measured["test"]["rate_per_latent"], codes.shape[1])
    charts.matrix(
        mutual_information(codes, factors)[order],
        path,
        rows=names,
        columns=subject.representation.names,
        title="what each latent (its rate in nats) knows about each factor",
        unit="mutual information, nats",
    )
