"""A trained model: it encodes, decodes, reconstructs, samples, traverses and interpolates, in the units of its data."""

from vae_jax.trained.measures import Evaluation, evaluate_model, test_metrics
from vae_jax.trained.model import Trained, train

__all__ = ["Evaluation", "Trained", "evaluate_model", "test_metrics", "train"]
