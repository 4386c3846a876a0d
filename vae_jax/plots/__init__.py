"""Pictures of arrays and of trained models, written to files."""

from vae_jax.plots.canvas import save
from vae_jax.plots.charts import (
    aggregate_posterior,
    bounds,
    curves,
    densities,
    latent_scatter,
    loss_curves,
    manifold,
    matrix,
    point_clouds,
)
from vae_jax.plots.detection import told_apart
from vae_jax.plots.generated import draw_epoch
from vae_jax.plots.images import animation, decoded_plane, grid, image_rows, samples
from vae_jax.plots.measured import verdict
from vae_jax.plots.plot import PLOTS, Plot, draw_all
from vae_jax.plots.population import rate_distortion, scores
from vae_jax.plots.traversals import draw_traversals

__all__ = [
    "PLOTS",
    "Plot",
    "aggregate_posterior",
    "animation",
    "bounds",
    "curves",
    "decoded_plane",
    "densities",
    "draw_all",
    "draw_epoch",
    "draw_traversals",
    "grid",
    "image_rows",
    "latent_scatter",
    "loss_curves",
    "manifold",
    "matrix",
    "point_clouds",
    "rate_distortion",
    "samples",
    "save",
    "scores",
    "told_apart",
    "verdict",
]
