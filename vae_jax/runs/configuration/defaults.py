"""What is chosen from data of the user's own, where the flags leave it open: likelihood, batches and length."""

from dataclasses import replace
from typing import Any

from vae_jax.data.dataset import Dataset
from vae_jax.data.meaning import Meaning, meaning_of
from vae_jax.distributions.base import Support
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.runs.configuration.config import Config
from vae_jax.runs.configuration.flags import TrainingFlags
from vae_jax.runs.configuration.resolved import Resolved, resolve

STEPS = 5000  # at most; small data are learned, or overfitted, in fewer
PATIENT = 500  # steps without a better validation objective
FEWEST = 10  # epochs of patience, at least


def settled(chosen: Resolved, dataset: Dataset) -> tuple[Resolved, str]:
    """The configuration with what the flags leave open chosen from the data, and that choice in words; "" if none was.

    Tables, and rows beyond
    0..1, are standardised under a Gaussian with a learned σ; a training part of less than one batch is halved; training
    goes on for at most 5,000 steps and ends once the validation objective has not improved for 500, and for 10 epochs.

    Args:
      chosen: what the flags choose.
      dataset: the user's own data, as `opened` returns them; published sets have settings of their own.
    """
    config = chosen.config
    changed = _of_features(chosen, dataset)
    n = len(dataset.train.x)
    if config.batch_size == TrainingFlags.batch_size > n:
        changed["batch_size"] = half_of(n)
    in_epoch = max(n // changed.get("batch_size", config.batch_size), 1)
    if all(getattr(config, name) is None for name in ("epochs", "steps", "minutes", "patience")):
        changed |= {"steps": STEPS, "patience": patience_of(in_epoch)}
    changed = {name: value for name, value in changed.items() if name not in config.varied}
    if not changed:
        return chosen, ""
    return resolve(replace(config, **changed)), _words(changed, in_epoch)


def half_of(n: int) -> int:
    """Half of so many examples, rounded down to a power of two: a batch for fewer than the default's."""
    return 1 << max((n // 2).bit_length() - 1, 0)


def patience_of(in_epoch: int) -> int:
    """Epochs of so many steps without a better validation objective after which training ends."""
    return max(-(-PATIENT // in_epoch), FEWEST)


def _of_features(chosen: Resolved, dataset: Dataset) -> dict[str, Any]:
    """Likelihood and standardisation of rows of features."""
    config, x = chosen.config, dataset.train.x
    if x.ndim != 2 or meaning_of(x[:0], dataset.name) is not Meaning.FEATURES or "likelihood" in config.varied:
        return {}
    table = bool(dataset.feature_names)
    outside = any(part.x.min() < 0 or part.x.max() > 1 for part in dataset[1:4])
    free = config.likelihood is None and not chosen.loss.fixed_likelihood
    changed: dict[str, Any] = {}
    if free and (table or outside):
        changed["likelihood"] = "gaussian" if chosen.loss.point else "gaussian-learned"
    support = LIKELIHOODS[changed.get("likelihood", chosen.likelihood_name)].support
    if config.standardise is None and support is Support.REAL and (table or outside):
        changed["standardise"] = True
    return changed


def _words(changed: dict[str, Any], in_epoch: int) -> str:
    words = []
    if "likelihood" in changed:
        words.append(f"likelihood {changed['likelihood']}")
    if changed.get("standardise"):
        words.append("each feature standardised")
    if "batch_size" in changed:
        words.append(f"batches of {changed['batch_size']}")
    if "steps" in changed:
        epochs = -(-changed["steps"] // in_epoch)
        words.append(
            f"at most {changed['steps']:,} steps ({epochs:,} epochs), ended once {changed['patience']:,} epochs bring "
            "no better validation objective; the best epoch is kept"
        )
    return f"chosen for these data: {'; '.join(words)}."


def in_progress(config: Config) -> bool:
    """Whether a run goes on, whose flags are settled already."""
    return config.resume and config.out is not None and (config.out / "config.json").exists()
