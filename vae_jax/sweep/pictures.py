"""The pictures of a sweep: the rate-distortion curve, and what the latents of each β draw."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import figures, gallery
from vae_jax.evaluation import encode_all
from vae_jax.experiment import Experiment
from vae_jax.keys import Keys
from vae_jax.linear_gaussian import beta_vae_optimum
from vae_jax.model import Params
from vae_jax.sweep.results import Row, setting

SHOWN = 3  # latents a row of traversals shows, those of the largest rate
STEPS = np.linspace(-2.0, 2.0, 7, dtype=np.float32)


def rate_distortion(
    entries: Sequence[Row],
    path: Path,
    *,
    exact: np.ndarray | None = None,
    title: str = "what β does: rate and distortion",
) -> Path:
    """Distortion against rate, a point a setting with its 95 % intervals over seeds, and its β beside it.

    Settings without a rate (autoencoders, or models that diverged) are left out.

    Args:
      entries: from `settings`.
      path: of the PNG.
      exact: `[points, 2]` rates and distortions of the exact curve, where there is one.
      title: of the picture.
    """
    from matplotlib.figure import Figure

    lines = lines_of(entries)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axis = figure.subplots()
    if exact is not None:
        axis.plot(*exact.T, color="0.3", lw=1, label="exact optimum")
    for label, line in lines.items():
        shown = [entry for entry in line if entry["rate"]["mean"] is not None and np.isfinite(entry["rate"]["mean"])]
        if not shown:
            continue
        points = {name: np.array([entry[name]["mean"] for entry in shown]) for name in ("rate", "distortion")}
        errors = {name: np.array([half_width(entry[name]) for entry in shown]) for name in points}
        axis.errorbar(
            points["rate"],
            points["distortion"],
            xerr=errors["rate"],
            yerr=errors["distortion"],
            fmt="o" if exact is not None else "o-",
            ms=5,
            capsize=3,
            lw=1,
            label=label or "mean over seeds, 95 % interval",
        )
        _name_points(axis, np.stack([points["rate"], points["distortion"]], 1), [entry.get("beta") for entry in shown])
    axis.set(
        title=title, xlabel="rate, KL(q(z|x) ‖ p(z)), nats per image", ylabel="distortion, −log p(x|z), nats per image"
    )
    axis.grid(alpha=0.3)
    axis.margins(x=0.12, y=0.12)
    axis.legend(fontsize="small")
    return figures.save(figure, path)


def lines_of(entries: Sequence[Row]) -> dict[str, list[Row]]:
    """Entries that differ in β alone, together under what sets them apart from the others."""
    names = setting_of(entries[0])
    varied = [name for name in names if name != "beta" and len({entry.get(name) for entry in entries}) > 1]
    lines: dict[str, list[Row]] = {}
    for entry in entries:
        values = [(name, entry.get(name)) for name in varied]
        label = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values
        )
        lines.setdefault(label, []).append(entry)
    return lines


def traversals(models: Sequence[tuple[Experiment, Params, Row]], path: Path) -> Path:
    """A row a model: one test image, its reconstruction, and its code moved along the latents of the largest rate.

    Each group of images moves one latent from −2 to 2, standard deviations of the prior, and leaves the others where
    the encoder put them.
    """
    images, names = [], []
    for experiment, params, row in models:
        images.append(_traverse(experiment, params, row))
        names.append(f"β = {row['beta']:g}" if "beta" in row else ", ".join(map(str, setting(row).values())))
    most = min(len(part) for part in images)
    title = (
        "a test image, its reconstruction, and its code with one latent moved, the latents of the largest rates first"
    )
    moved = ["", *(f"{step:.1f}".replace("-", "−") for step in STEPS)]
    columns = ["x", "decoded", *(moved * SHOWN)][:most]
    images = np.concatenate([part[:most] for part in images])
    return figures.grid(images, most, path, title=title, row_names=names, column_names=columns)


def exact_curve(experiment: Experiment, *, betas: Sequence[float]) -> np.ndarray | None:
    """Rates and distortions of the linear β-VAE's optimum over the range of `betas`; None where it is another model.

    From the eigenvalues of the training data's covariance.
    """
    data, recipe, _, _, _ = experiment
    encoder: Any = recipe.model.encoder
    scale = getattr(recipe.model.likelihood, "scale", None)
    if getattr(encoder, "hidden", None) != () or scale is None or recipe.loss.name not in ("vae", "beta-vae"):
        return None
    x = jax.vmap(partial(recipe.preprocess, jax.random.key(0)))(jnp.asarray(data.train.x))
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    eigenvalues = np.linalg.eigvalsh(np.cov(flat.T, bias=True))
    latent = encoder.latent
    optima = [
        beta_vae_optimum(eigenvalues, latent, beta=beta, variance=scale**2)
        for beta in np.geomspace(min(betas), max(betas), 200)
    ]
    return np.array([[optimum.rate, optimum.distortion] for optimum in optima])


def _name_points(axis: Any, points: np.ndarray, betas: Sequence[float | None]) -> None:
    """β beside each point; those of points that lie on each other together."""
    size = np.maximum(np.ptp(points, axis=0), 1e-9)
    together: list[tuple[np.ndarray, list[str]]] = []
    for point, beta in zip(points, betas, strict=True):
        if beta is None:
            continue
        near = next((names for other, names in together if np.all(np.abs(point - other) < 0.03 * size)), None)
        if near is None:
            together.append((point, [f"{beta:g}"]))
        else:
            near.append(f"{beta:g}")
    for point, names in together:
        text = "β = " + ", ".join(names)
        axis.annotate(text, point, xytext=(6, 6), textcoords="offset points", fontsize=9)


def setting_of(entry: Row) -> Row:
    """The choices of an entry of `settings`, without its measures."""
    chosen = {name: value for name, value in setting(entry).items() if not isinstance(value, dict)}
    return {name: value for name, value in chosen.items() if name not in ("seeds", "seconds")}


def half_width(measure: Row) -> float:
    """Of an interval; 0 where there is none."""
    return 0.0 if measure["interval"] is None else (measure["interval"][1] - measure["interval"][0]) / 2


def _traverse(experiment: Experiment, params: Params, row: Row) -> np.ndarray:
    data, recipe, _, _, _ = experiment
    one = jax.tree.map(lambda leaf: leaf[:1], data.test)
    means = encode_all(recipe, params, Keys(int(row["seed"])).test, one).mean[0]
    x = recipe.preprocess(jax.random.key(0), jnp.asarray(one.x[0]))
    order, _ = gallery.by_rate(row["rate_per_latent"], len(means))
    largest = order[:SHOWN]
    codes = [means] + [means.at[latent].set(step) for latent in largest for step in STEPS]
    y = None if one.y is None or not recipe.loss.conditional else jnp.asarray(one.y[0])
    decoded = np.asarray(gallery.decode_means(recipe, params, jnp.stack(codes), y))
    gap = np.ones((1, *decoded.shape[1:]), np.float32)
    groups = [decoded[1 + i * len(STEPS) : 1 + (i + 1) * len(STEPS)] for i in range(len(largest))]
    parts = [np.asarray(x)[None], decoded[:1]]
    for group in groups:
        parts += [gap, group]
    return np.concatenate(parts)
