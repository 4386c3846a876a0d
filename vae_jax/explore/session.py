"""What the page asks of trained models: codes, images, and what is known of each latent. Arrays in, arrays out."""

import sys
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.data.dataset import Examples
from vae_jax.errors import InputError
from vae_jax.evaluation.codes import Codes
from vae_jax.evaluation.metrics import draw_codes, followed, variance_explained
from vae_jax.keys import use
from vae_jax.runs.storage.models import Models
from vae_jax.trained.model import Trained
from vae_jax.writing import plain

SHOWN = 60  # test images to start from
CODES = 1000  # test images that are encoded
SAMPLES = 200  # of the prior, if there are no test images
PLANE = 20  # images across the decoded plane
ENDS = (0.5, 99.5)  # percentiles of the aggregate posterior that a slider marks


@dataclass(frozen=True, order=True)
class Latent:
    """What is known of one latent.

    Attributes:
      index: its number, counted from 0.
      rate: mean KL(q(z_j|x) ‖ p(z_j)) over test images, in nats; the variance of its codes unless `Explored.in_nats`.
      low: the 0.5th percentile of the aggregate posterior.
      high: the 99.5th percentile.
      follows: the factor that it explains most of; "" if factors are not known, or it explains less than half of each.
      share: the R² of that factor.
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
      data: where their data are now, if not where they were.

    Raises:
      InputError: there is no finished model, or the models are of rows, which cannot be drawn.
    """

    def __init__(self, folder: Path, *, data: str | None = None):
        self.models = Models(folder, data=data)
        self._where = [(row, at) for row, at in self.models.rows() if not row.diverged]
        if not self._where:
            go_on = f"{self.models.config.kind.script} --out {folder} --resume"
            raise InputError(f"{folder} holds no finished model; go on with it: {go_on}.")
        self.model = lru_cache(maxsize=16)(self._read)
        if not self.model(0).trained.images:
            raise InputError(f"{folder}: the page draws images, and these are rows of features or counts.")

    def _read(self, index: int) -> "Explored":
        if not 0 <= index < len(self._where):
            raise InputError(f"model {index}: expected one from 0 to {len(self._where) - 1}.")
        row, at = self._where[index]
        return Explored(self.models.read(row, at))

    def listed(self) -> list[dict[str, Any]]:
        """The models: what was chosen for each, and in a sweep its rate, distortion and active units on test images."""
        measures = ("rate", "distortion", "active_units")
        rows = [
            {**row.who, **{name: row.measures[name] for name in measures if name in row.measures}}
            for row, _ in self._where
        ]
        varied = [name for name in rows[0] if name in (*measures, "seed") or len({row.get(name) for row in rows}) > 1]
        return plain([{name: row[name] for name in varied if name in row} for row in rows])


class Explored:
    """What the page shows of a trained model.

    If its data are not there, samples of the prior stand in for test images.

    Args:
      trained: a model of images.
    """

    def __init__(self, trained: Trained):
        self.trained = trained
        self.latent, self.shape, self.classes = trained.latent, trained.shape, trained.classes

    @cached_property
    def examples(self) -> Examples:
        """Images to start from, as the data are stored, and their labels: of the test set, or samples of the prior."""
        try:
            return self.trained.data.test
        except InputError as error:
            print(f"{error} The page starts from samples of the prior.", file=sys.stderr)
        y = np.arange(SAMPLES, dtype=np.int32) % self.classes if self.classes else None
        drawn = self.trained.generate(jax.random.key(0), SAMPLES, None if y is None else jnp.asarray(y))
        return Examples(self.trained.description.output_as_stored(drawn), y)

    @cached_property
    def codes(self) -> Codes:
        """The codes of the first 1,000 of these images."""
        x, y = self.examples.x[:CODES], self.examples.y
        return self.encode(x, None if y is None or not self.classes else y[:CODES])

    def encode(self, x: np.ndarray, y: np.ndarray | None = None) -> Codes:
        """The codes of images `[n, *shape]` as they are stored, on the host."""
        return jax.device_get(self.trained.encode(x, y))

    @cached_property
    def latents(self) -> list[Latent]:
        """The latents, the most informative first."""
        mean, deviation = np.asarray(self.codes.mean), np.asarray(self.codes.deviation)
        draws = mean + deviation * np.random.RandomState(0).randn(*mean.shape)
        low, high = np.percentile(draws, ENDS, axis=0)
        rate = np.asarray(self.codes.kl).mean(0) if self.in_nats else mean.var(0)
        order = np.argsort(-rate, kind="stable")
        return [Latent(int(j), float(rate[j]), float(low[j]), float(high[j]), *self._follows[j]) for j in order]

    @cached_property
    def _follows(self) -> list[tuple[str, float]]:
        """For each latent, the factor that it follows and its R²."""
        nothing = [("", 0.0)] * self.latent
        if self.classes or not self.trained.description.factor_names:
            return nothing
        try:
            factors = self.trained.data.factors
        except InputError:
            return nothing
        if factors is None:
            return nothing
        explained = variance_explained(*draw_codes(lambda x: np.asarray(self.encode(x).mean), factors, n=CODES))
        return followed(factors.names, explained)

    @property
    def in_nats(self) -> bool:
        """Whether the rate of each latent is a KL: the prior is N(0, I), and the KL is finite and splits over them."""
        kl = np.asarray(self.codes.kl)
        return kl.shape[1] == self.latent and bool(np.isfinite(kl).all()) and self.trained.model.standard_prior

    @property
    def drawn(self) -> bool:
        """Whether the loss matches the codes to a prior, so that samples of the prior can be decoded."""
        return self.trained.recipe.loss.uses_prior

    def image(self, z: np.ndarray, label: int | None = None) -> np.ndarray:
        """The mean of p(x|z[, y]) for codes `[n, latent]`, `[n, *shape]` uint8."""
        y = None if not self.classes else np.full(len(z), label or 0, np.int32)
        return _bytes_of(self.trained.decode(z, y))

    def pixels(self, index: int) -> np.ndarray:
        """One of the images as the model sees it, `[*shape]` uint8, from the same key as `encode`."""
        (key,) = jax.random.split(use(self.trained.experiment.keys.test, "encode"), 1)
        return _bytes_of(self.trained.recipe.preprocess(key, jnp.asarray(self.examples.x[index])))

    def prior_sample(self, seed: int, label: int | None = None) -> np.ndarray:
        """A sample of the prior, or of p(z|y) for a conditional model, `[latent]`."""
        return np.asarray(self.trained.sample_prior(seed, (label or 0) if self.classes else None))

    def plane(self, label: int | None = None) -> np.ndarray:
        """The decoded plane of a model of two latents, z₂ upwards, `[PLANE, PLANE, *shape]` uint8."""
        ends = [max(abs(latent.low), abs(latent.high)) for latent in sorted(self.latents)]
        across, up = (np.linspace(-end, end, PLANE) for end in ends)
        z = np.stack(np.meshgrid(across, up[::-1]), -1).reshape(-1, 2).astype(np.float32)
        return self.image(z, label).reshape(PLANE, PLANE, *self.shape)

    def about(self) -> dict[str, Any]:
        """Everything that the page needs to draw its controls."""
        labels = self.examples.y
        two = self.latent == 2
        return plain(
            {
                "shape": list(self.shape),
                "latent": self.latent,
                "latents": [asdict(latent) for latent in self.latents],
                "classes": self.classes,
                "prior": self.drawn,
                "unit": "nats" if self.in_nats else "variance",
                "tests": min(SHOWN, len(self.examples.x)),
                "labels": None if labels is None else [int(y) for y in labels[:CODES]],
                "codes": np.asarray(self.codes.mean).tolist() if two else None,
                "name": f"{self.trained.recipe.loss.name} on {Path(self.trained.description.name).name}",
            }
        )


def _bytes_of(pixels: Any) -> np.ndarray:
    """Pixels in [0, 1] as 8 bits."""
    return (255.0 * np.clip(np.asarray(pixels), 0, 1)).round().astype(np.uint8)
