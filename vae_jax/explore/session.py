"""What the page asks of trained models: codes, images, and what is known of each latent. Arrays in, arrays out."""

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.base import mean_of, over_batch, variance_of
from vae_jax.distributions.continuous import Normal
from vae_jax.distributions.kl import kl_standard_normal
from vae_jax.errors import InputError
from vae_jax.evaluation.metrics import draw_codes, followed, variance_explained
from vae_jax.evaluation.populations import setting
from vae_jax.keys import use
from vae_jax.runs.loading import Models
from vae_jax.training.trained import Trained
from vae_jax.writing import plain

SHOWN = 60  # test images to start from
CODES = 1000  # test images whose codes are looked at
PLANE = 20  # images across the decoded plane
ENDS = (0.5, 99.5)  # percentiles of the aggregate posterior that a slider marks


@dataclass(frozen=True, order=True)
class Latent:
    """What is known of one latent.

    Attributes:
      index: which it is.
      rate: mean KL(q(z_j|x) ‖ p(z_j)) over test images, in nats; the variance of the codes where it does not split over
        latents.
      low: the 0.5th percentile of the aggregate posterior.
      high: the 99.5th.
      follows: the factor that it explains most of, where factors are known and that is half of one or more.
      share: the R² of that.
    """

    index: int
    rate: float
    low: float
    high: float
    follows: str = ""
    share: float = 0.0


class Session:
    """The models of a run or of a sweep.

    Args:
      folder: the `--out` of `train.py` or `sweep.py`.

    Raises:
      InputError: no finished model, or one of rows, which cannot be drawn.
    """

    def __init__(self, folder: Path):
        self.models = Models(folder)
        self._where = [(row, at) for row, at in self.models.rows() if not row.get("diverged")]
        if not self._where:
            go_on = f"{'sweep' if self.models.is_sweep else 'train'}.py --out {folder} --resume"
            raise InputError(f"{folder} holds no finished model; go on with it: {go_on}.")
        self.model = lru_cache(maxsize=16)(self._read)
        if not self.model(0).experiment.images:
            raise InputError(f"{folder}: the page draws images, and these are rows of features or counts.")

    def _read(self, index: int) -> "Explored":
        if not 0 <= index < len(self._where):
            raise InputError(f"model {index}: expected one from 0 to {len(self._where) - 1}.")
        row, at = self._where[index]
        return Explored(self.models.read(row, at))

    def listed(self) -> list[dict[str, Any]]:
        """Each model: what was chosen for it, and its rate and distortion on the test images where a sweep has them."""
        measures = ("rate", "distortion", "active_units")
        rows = [
            {**setting(row), "seed": row["seed"]} | {m: row[m] for m in measures if m in row} for row, _ in self._where
        ]
        varied = [name for name in rows[0] if name in (*measures, "seed") or len({row.get(name) for row in rows}) > 1]
        return plain([{name: row[name] for name in varied if name in row} for row in rows])


class Explored(Trained):
    """A trained model with what the page shows of it."""

    def __init__(self, trained: Trained):
        super().__init__(trained.experiment, trained.params, trained.row, trained.epoch)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, `(height, width, channels)`."""
        return tuple(self.data.train.x.shape[1:])

    @property
    def classes(self) -> int:
        """How many labels a conditional model takes; 0 for others."""
        return self.data.classes if self.recipe.loss.conditional else 0

    @cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of q(z|x) of the first test images, `[n, latent]`."""
        x, y = self.data.test.x[:CODES], self.data.test.y
        return self.posterior(x, None if y is None or not self.classes else y[:CODES])

    def posterior(self, x: np.ndarray, y: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of q(z|x[, y]), `[n, latent]`; 0 for a point."""
        q = self.encode(x, y)
        mean = np.asarray(over_batch(mean_of, q, (len(x), self.latent)))
        if not self.recipe.loss.posterior.has_density:
            return mean, np.zeros_like(mean)
        return mean, np.sqrt(np.asarray(over_batch(variance_of, q, mean.shape)))

    @cached_property
    def latents(self) -> list[Latent]:
        """The latents, the most informative first."""
        mean, deviation = self.codes
        draws = mean + deviation * np.random.RandomState(0).randn(*mean.shape)
        low, high = np.percentile(draws, ENDS, axis=0)
        rate = mean.var(0)
        if self.in_nats:
            rate = np.asarray(kl_standard_normal(jnp.asarray(mean), 2.0 * jnp.log(jnp.asarray(deviation)))).mean(0)
        order = np.argsort(-rate, kind="stable")
        return [Latent(int(j), float(rate[j]), float(low[j]), float(high[j]), *self._follows[j]) for j in order]

    @cached_property
    def _follows(self) -> list[tuple[str, float]]:
        """For each latent the factor that it follows, and the R²."""
        factors = self.data.factors
        if factors is None or self.classes:
            return [("", 0.0)] * self.latent
        explained = variance_explained(*draw_codes(lambda x: self.posterior(x)[0], factors, n=CODES))
        return followed(factors.names, explained)

    @cached_property
    def in_nats(self) -> bool:
        """Whether the rate of each latent is a KL."""
        return self.model.standard_prior and isinstance(self.encode(self.data.test.x[:1], self._label(0)), Normal)

    @property
    def drawn(self) -> bool:
        """Whether the codes are held to a prior, so that a draw of it is a code."""
        return self.recipe.loss.uses_prior

    def image(self, z: np.ndarray, label: int | None = None) -> np.ndarray:
        """The mean of p(x|z[, y]) for codes `[n, latent]`, `[n, *shape]` uint8."""
        y = None if not self.classes else np.full(len(z), label or 0, np.int32)
        return (255.0 * np.clip(np.asarray(self.decode(z, y)), 0, 1)).round().astype(np.uint8)

    def pixels(self, index: int) -> np.ndarray:
        """A test image as the model sees it, `[*shape]` uint8, from the same key as `encode`."""
        (key,) = jax.random.split(use(self.experiment.keys.test, "encode"), 1)
        x = np.asarray(self.recipe.preprocess(key, jnp.asarray(self.data.test.x[index])))
        return (255.0 * np.clip(x, 0, 1)).round().astype(np.uint8)

    def prior_sample(self, seed: int, label: int | None = None) -> np.ndarray:
        """A code of the prior, of p(z|y) where it takes a label, `[latent]`."""
        prior = self.model.latent_prior(self.params, jnp.int32(label or 0) if self.classes else None)
        return np.asarray(prior.sample(jax.random.key(seed)))

    def plane(self, label: int | None = None) -> np.ndarray:
        """The decoded plane of a model of two latents, z₂ upwards, `[PLANE, PLANE, *shape]` uint8."""
        ends = [max(abs(latent.low), abs(latent.high)) for latent in sorted(self.latents)]
        across, up = (np.linspace(-end, end, PLANE) for end in ends)
        z = np.stack(np.meshgrid(across, up[::-1]), -1).reshape(-1, 2).astype(np.float32)
        return self.image(z, label).reshape(PLANE, PLANE, *self.shape)

    def about(self) -> dict[str, Any]:
        """All that the page needs to draw its controls."""
        labels = self.data.test.y
        two = self.latent == 2
        mean = self.codes[0]
        return plain(
            {
                "shape": list(self.shape),
                "latent": self.latent,
                "latents": [asdict(latent) for latent in self.latents],
                "classes": self.classes,
                "prior": self.drawn,
                "unit": "nats" if self.in_nats else "variance",
                "tests": min(SHOWN, len(self.data.test.x)),
                "labels": None if labels is None else [int(y) for y in labels[:CODES]],
                "codes": mean.tolist() if two else None,
                "name": f"{self.recipe.loss.name} on {Path(self.data.name).name}",
            }
        )

    def _label(self, index: int) -> np.ndarray | None:
        return self.data.test.y[index : index + 1] if self.classes else None
