"""A model card: README.md for the Hugging Face Hub, written from what was measured."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.export.format import FORMATS
from vae_jax.export.weights import without_paths
from vae_jax.runs.storage.folder import json_of
from vae_jax.trained.model import Trained
from vae_jax.writing import replace_file

# The measures on a card: where each is found, and what it is.
MEASURES = {
    "negative ELBO": ("test", "negative_elbo", "nats per test image, β = 1"),
    "distortion": ("test", "distortion", "−log p(x|z), nats"),
    "rate": ("test", "rate", "KL(q(z|x) ‖ p(z)), nats"),
    "active units": ("test", "active_units", "latents whose posterior mean varies over the test set"),
    "log p(x)": ("log_likelihood", "log_likelihood", "by importance sampling, nats per test image"),
    "Fréchet distance of samples": ("sample_quality", "frechet", "to test images, in pixels or the features named"),
}
USE = """```python
import vae_jax

model = vae_jax.load("{where}")
new = model.sample(64)  # of the prior, decoded
codes = model.encode(x)  # q(z|x) of x, [n, *shape], as the data were
again = model.decode(codes.mean)
```"""


@FORMATS.register("card")
def card(model: Trained, folder: Path, run: Path) -> list[Path]:
    """README.md, a model card of what it is, how it was trained and what was measured.

    Args:
      model: a trained model.
      folder: where to write it.
      run: the folder of its run, which holds what was measured.

    Returns:
      The files written.
    """
    replace_file(folder / "README.md", card_of(model, run))
    return [folder / "README.md"]


def card_of(model: Trained, folder: Path, where: str | None = None) -> str:
    """The text of the card.

    Args:
      model: a trained model.
      folder: that of its run, with summary.json, and evaluation.json if it was evaluated.
      where: what to load it from, for the example; by default `folder`.
    """
    config, measured = without_paths(model.experiment.config), _measured(folder)
    data = str(config.get("data") or Path(model.description.name).name)
    title = f"{config.get('loss', model.recipe.loss.name)} on {data}"
    trained, _, tested = model.description.examples
    chosen = {name: value for name, value in config.items() if value is not None and value is not False and value != []}
    rows = []
    for name, (part, key, what) in MEASURES.items():
        found: Any = measured.get(part, {})
        found = found.get("model", found) if key == "frechet" and isinstance(found, dict) else found
        value = found.get(key) if isinstance(found, dict) else None
        if isinstance(value, (int, float)):
            rows.append(f"| {name} | {value:.4g} | {what} |")
    lines = [
        "---",
        "library_name: vae_jax",
        "tags: [variational-autoencoder, jax, flax]",
        f"datasets: [{json.dumps(data, ensure_ascii=False)}]",
        "---",
        "",
        f"# {title}",
        "",
        f"{model.recipe.loss.summary} Trained for {model.epoch} epochs with vae_jax {version('vae-jax')}.",
        "",
        USE.format(where=where or folder.resolve().name),
        "",
        "## Measured",
        "",
        *(["| | | |", "|---|---|---|", *rows] if rows else ["Nothing yet: run `vae-jax evaluate`."]),
        "",
        "## How it was trained",
        "",
        "| flag | |",
        "|---|---|",
        *(f"| `--{name.replace('_', '-')}` | {_words(value)} |" for name, value in chosen.items()),
        "",
        f"Data: {trained:,} to train, {tested:,} to test, each {list(model.shape)}. "
        f"Their SHA-256 is `{model.experiment.about['data']}`.",
        "",
    ]
    return "\n".join(lines)


def _measured(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("summary.json", "evaluation.json"):
        try:
            found |= json_of(folder / name, most=100_000_000)
        except (OSError, InputError, TypeError):
            continue
    return found


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
