"""A variational autoencoder as an estimator of scikit-learn: for pipelines, searches and tables."""

from typing import Any

import jax
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from vae_jax.arrays import chosen_of, trained
from vae_jax.data.dataset import Dataset, Examples
from vae_jax.runs.configuration.building import build, stored
from vae_jax.runs.configuration.config import Config, as_config, as_json
from vae_jax.runs.configuration.datasets import stored_of
from vae_jax.runs.configuration.defaults import half_of, patience_of, settled
from vae_jax.trained.model import Trained

ROWS = 256  # at a time, filled up, so that one program serves any number of rows and gives each the same numbers
FEWEST = 10  # rows from which some are held out


class VariationalAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rows of features `[n, features]` to latents `[n, latent]` and back, and a density of rows.

        from sklearn.pipeline import make_pipeline
        model = make_pipeline(vae_jax.VariationalAutoencoder(latent=5, random_state=0), LogisticRegression())

    Features are standardised inside; everything that comes out is in their own units, in float64. A part of the rows
    is held out for validation: training ends once the objective there no longer improves, and the best epoch is kept.

    Args:
      latent: how many latents.
      beta: weight of the KL term; None for the loss's own, 1 for vae.
      loss: a name in `losses.LOSSES` that takes no labels.
      likelihood: p(x|z), a name of `--likelihood`; a Gaussian with a learned σ, for which no later row is illegal. None
        for the loss's own.
      model: networks, a name of `--model`.
      hidden: widths of the hidden layers; None for the networks' own.
      learning_rate: of the optimiser, Adam.
      batch_size: rows per step; half of the rows, rounded down to a power of two, if there are not so many.
      max_steps: steps of training, at most.
      validation_fraction: the share of the rows that is held out; 0 to train on all of them to the end.
      num_samples: importance samples of `score_samples`; None for the ELBO, a lower bound.
      random_state: an int, a `RandomState` or None: of the weights, the split, and all noise.
      verbose: whether to show a bar and to say what was understood and chosen.

    Attributes:
      trained_: the model, a `vae_jax.Trained`.
      n_features_in_: how many features there are.
      feature_names_in_: their names, if they have names.
    """

    def __init__(
        self,
        latent: int = 10,
        *,
        beta: float | None = None,
        loss: str = "vae",
        likelihood: str | None = "gaussian-learned",
        model: str = "dense",
        hidden: tuple[int, ...] | None = None,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        max_steps: int = 5000,
        validation_fraction: float = 0.1,
        num_samples: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.latent = latent
        self.beta = beta
        self.loss = loss
        self.likelihood = likelihood
        self.model = model
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.validation_fraction = validation_fraction
        self.num_samples = num_samples
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "VariationalAutoencoder":
        """Train on rows `[n, features]`; y is ignored.

        Raises:
          ValueError: rows that scikit-learn refuses, fewer than two, or a parameter out of its range (`InputError`).
        """
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        random = check_random_state(self.random_state)
        seed, order, n = int(random.randint(2**31 - 1)), random.permutation(len(rows)), len(rows)
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction is {self.validation_fraction}; expected at least 0 and below 1.")
        held = round(n * self.validation_fraction) if n >= FEWEST else 0
        train, validation = (Examples(rows[part]) for part in (order[held:], order[:held] if held else order))
        names = tuple(getattr(self, "feature_names_in_", ()))
        # There is no test part: an estimator is tested by whoever holds rows back from it.
        dataset = Dataset("rows", train, validation, validation, feature_names=names)
        names = ("latent", "beta", "loss", "likelihood", "model", "hidden", "learning_rate")
        flags = {name: getattr(self, name) for name in names}
        batch = self.batch_size if len(train.x) >= self.batch_size else half_of(len(train.x))
        in_epoch = max(len(train.x) // batch, 1)
        patience = patience_of(in_epoch) if held else None
        chosen = chosen_of(
            {**flags, "batch_size": batch, "steps": self.max_steps, "patience": patience, "seed": seed}, "rows"
        )
        chosen, words = settled(chosen, dataset)
        self.trained_ = trained(chosen, words, dataset, progress=self.verbose)
        self._config = as_json(chosen.config)
        self._n_features_out = self.trained_.latent
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The means of q(z|x), `[n, latent]`."""
        return self._each(lambda rows: self.trained_.encode(rows).mean, self._rows(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The means of p(x|z) of latents `[n, latent]`: rows `[n, features]` in the units of the data."""
        check_is_fitted(self)
        return self._each(self.trained_.decode, np.asarray(X, np.float64))

    def score_samples(self, X: Any) -> np.ndarray:
        """How likely each row is, `[n]`: the ELBO, or log p(x) by `num_samples`, in nats of the rows' own units."""
        rows = self._rows(X)
        return self._each(lambda part: self.trained_.score(part, num_samples=self.num_samples).value, rows)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`; y is ignored."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """New rows `[n_samples, features]`: draws of p(x|z) for draws of z from the prior."""
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        filled = -(-n_samples // ROWS) * ROWS
        return np.asarray(self.trained_.sample(filled, seed=seed, observed=True), np.float64)[:n_samples]

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=np.float64, reset=False)
        return rows

    def _each(self, function: Any, rows: np.ndarray) -> np.ndarray:
        """`function` of rows, `ROWS` at a time."""
        parts = []
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            filled = np.concatenate([part, np.repeat(part[-1:], ROWS - len(part), axis=0)])
            parts.append(np.asarray(function(filled), np.float64)[: len(part)])
        return np.concatenate(parts)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: of the model, what it was built from and its parameters."""
        state: dict[str, Any] = {**super().__getstate__()}  # pyright: ignore[reportGeneralTypeIssues]
        if (model := state.pop("trained_", None)) is not None:
            params = jax.tree.map(np.asarray, model.params)
            state["_model"] = (stored(model.experiment).as_json(), params, dict(model.row), model.epoch)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the model again around its parameters."""
        model = state.pop("_model", None)
        super().__setstate__(state)
        if model is not None:
            kept, params, row, epoch = model
            experiment = build(as_config(self._config, Config, "the pickled estimator"), stored_of(kept))
            self.trained_ = Trained(experiment, jax.device_put(params), row, epoch)
