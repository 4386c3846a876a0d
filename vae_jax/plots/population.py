"""The pictures of a sweep: the rate-distortion curve, and traversals of the latents for each β."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.evaluation.metrics.score import score_names
from vae_jax.evaluation.populations import ModelResult, SettingResult, varied
from vae_jax.keys import use
from vae_jax.models.linear_gaussian import beta_vae_optimum
from vae_jax.plots import images
from vae_jax.plots.canvas import canvas, save
from vae_jax.plots.traversals import by_rate, first_code
from vae_jax.trained.model import Trained
from vae_jax.training.experiment import Experiment

SHOWN = 3  # latents in a row of traversals, those with the largest rate
STEPS = np.linspace(-2.0, 2.0, 7, dtype=np.float32)


def rate_distortion(
    entries: Sequence[SettingResult],
    path: Path,
    *,
    exact: np.ndarray | None = None,
    title: str = "what β does: rate and distortion",
) -> Path:
    """Distortion against rate, one point per setting with its 95 % intervals over seeds, labelled with its β.

    Settings without a rate (autoencoders, or models that diverged) are left out.

    Args:
      entries: from `settings`.
      path: where to write the PNG.
      exact: `[points, 2]` rates and distortions of the exact curve, if there is one.
      title: the title of the picture.
    """
    lines = lines_of(entries)
    figure = canvas(7, 5)
    axis = figure.subplots()
    if exact is not None:
        axis.plot(*exact.T, color="0.3", lw=1, label="exact optimum")
    for label, line in lines.items():
        shown = [entry for entry in line if np.isfinite(entry.measures["rate"].mean)]
        if not shown:
            continue
        points = {name: np.array([entry.measures[name].mean for entry in shown]) for name in ("rate", "distortion")}
        errors = {name: np.array([entry.measures[name].half_width for entry in shown]) for name in points}
        axis.errorbar(
            points["rate"],
            points["distortion"],
            xerr=errors["rate"],
            yerr=errors["distortion"],
            fmt="o" if exact is not None else "o-",
            ms=5,
            capsize=3,
            lw=1,
            label=label or _about(shown),
        )
        _name_points(
            axis, np.stack([points["rate"], points["distortion"]], 1), [entry.setting.get("beta") for entry in shown]
        )
    axis.set(
        title=title, xlabel="rate, KL(q(z|x) ‖ p(z)), nats per image", ylabel="distortion, −log p(x|z), nats per image"
    )
    axis.grid(alpha=0.3)
    axis.margins(x=0.12, y=0.12)
    if axis.get_legend_handles_labels()[0]:  # models without a rate leave nothing to name
        axis.legend(fontsize="small")
    return save(figure, path)


def _about(entries: Sequence[SettingResult]) -> str:
    """What a point and its bars are."""
    return "one seed" if all(entry.seeds < 2 for entry in entries) else "mean over seeds, 95 % interval"


def lines_of(entries: Sequence[SettingResult]) -> dict[str, list[SettingResult]]:
    """Entries that differ only in β, grouped by what distinguishes them from the others."""
    names = [name for name in varied(entries) if name != "beta"]
    lines: dict[str, list[SettingResult]] = {}
    for entry in entries:
        values = [(name, entry.setting.get(name)) for name in names]
        label = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values
        )
        lines.setdefault(label, []).append(entry)
    return lines


def traversals(models: Sequence[Trained], path: Path) -> Path:
    """A row per model: one test image, its reconstruction, and its code moved along the latents with the largest rates.

    Each group of images moves one latent from −2 to 2, in standard deviations of N(0, 1), and leaves the others where
    the encoder put them.
    """
    rows = [_traverse(model) for model in models]
    settings = [ModelResult.of(model.row).setting for model in models]
    names = [
        f"β = {chosen['beta']:g}" if "beta" in chosen else ", ".join(map(str, chosen.values())) for chosen in settings
    ]
    most = min(len(row) for row in rows)
    title = (
        "a test image, its reconstruction, and its code with one latent moved, the latents with the largest rates first"
    )
    moved = ["", *(f"{step:.1f}".replace("-", "−") for step in STEPS)]
    columns = ["x", "decoded", *(moved * SHOWN)][:most]
    return images.grid(
        np.concatenate([row[:most] for row in rows]), most, path, title=title, row_names=names, column_names=columns
    )


def scores(entries: Sequence[SettingResult], calibration: dict[str, dict[str, float]], path: Path) -> Path:
    """Scores against β with 95 % intervals over seeds (UDR has none), between chance and a perfect code.

    Args:
      entries: from `settings`, each with a β.
      calibration: score -> its `perfect` and `chance` values, if they are known.
      path: where to write the PNG.
    """
    names = [name for name in (*score_names(), "udr") if any(name in entry.measures for entry in entries)]
    columns = min(len(names), 4)
    height = -(-len(names) // columns)
    figure = canvas(3.2 * columns, 2.8 * height + 0.6)
    axes = np.ravel(figure.subplots(height, columns, squeeze=False))
    for axis, name in zip(axes, names, strict=False):
        for label, line in lines_of(entries).items():
            means = np.array([entry.measures[name].mean for entry in line], float)
            half = [entry.measures[name].half_width for entry in line]
            betas = [entry.setting["beta"] for entry in line]
            axis.errorbar(betas, means, yerr=half, fmt="o-", ms=4, capsize=3, lw=1, label=label or _about(line))
        for part, style, words in (("perfect", "--", "perfect code"), ("chance", ":", "chance")):
            if part in calibration.get(name, {}):
                axis.axhline(calibration[name][part], color="0.4", ls=style, lw=1, label=words)
        if name == "udr":
            for line in lines_of(entries).values():
                levels = [entry.measures["udr_chance"].mean for entry in line]
                axis.plot([entry.setting["beta"] for entry in line], levels, color="0.4", ls=":", lw=1)
        axis.set(title=name, xlabel="β", ylim=(-0.05, 1.05))
        ticks = sorted({float(entry.setting["beta"]) for entry in entries})
        if min(ticks) > 0:
            axis.set_xscale("log")
            axis.set_xticks(ticks, [f"{beta:g}" for beta in ticks])
            axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")
    figure.suptitle("disentanglement scores of the models of each β, between chance and a perfect code")
    return save(figure, path)


def exact_curve(experiment: Experiment, *, betas: Sequence[float]) -> np.ndarray | None:
    """Rates and distortions of the linear β-VAE's optimum over the range of `betas`, `[200, 2]`; None for other models.

    From the eigenvalues of the training data's covariance.
    """
    recipe = experiment.recipe
    encoder: Any = recipe.model.encoder
    scale = getattr(recipe.model.likelihood, "scale", None)
    if getattr(encoder, "hidden", None) != () or scale is None or not recipe.loss.beta_elbo:
        return None
    x = recipe.preprocessed(use(experiment.keys.pictures, "exact curve"), experiment.data.train.x)
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    eigenvalues = np.linalg.eigvalsh(np.cov(flat.T, bias=True))
    latent = encoder.latent
    optima = [
        beta_vae_optimum(eigenvalues, latent, beta=beta, variance=scale**2)
        for beta in np.geomspace(min(betas), max(betas), 200)
    ]
    jacobian = experiment.description.log_jacobian
    return np.array([[optimum.rate, optimum.distortion + jacobian] for optimum in optima])


def _name_points(axis: Any, points: np.ndarray, betas: Sequence[Any]) -> None:
    """Label each point with its β; points that overlap share a label."""
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


def _traverse(model: Trained) -> np.ndarray:
    code, label = first_code(model)
    x = model.recipe.preprocess(jax.random.key(0), jnp.asarray(model.data.test.x[0]))
    order, _ = by_rate(model.row["rate_per_latent"], len(code))
    decoded = np.asarray(model.decode(code[None], label))
    gap = np.ones((1, *decoded.shape[1:]), np.float32)
    parts = [np.asarray(x)[None], decoded]
    for latent in order[:SHOWN]:
        parts += [gap, np.asarray(model.decode_traversal(code, int(latent), STEPS, label))]
    return np.concatenate(parts)
