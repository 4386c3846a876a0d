"""What the commands share that use a trained model: the flags that choose it, and its results as files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from vae_jax.commands.export import chosen
from vae_jax.errors import InputError
from vae_jax.export.results import expect_known
from vae_jax.runs.storage.folder import free_folder
from vae_jax.runs.storage.models import load
from vae_jax.trained.model import Trained


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model is used, and where its results go."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run or of a sweep: the --out of train.py or sweep.py; or hf:user/name."""
    out: Path | None = None
    """Where the results go; the ending says how: .csv, .tsv, .parquet, .feather, .npz or .npy; of images .npz, .npy,
    .png (one picture), or a folder of PNGs."""
    which: tuple[str, ...] = ()
    """Of a sweep: the model, as in --which beta=4 seed=0. Default: the best by validation negative ELBO."""
    best: str | None = None
    """Of a sweep: the best by this: negative_elbo, distortion or objective of the validation examples, or a score that
    evaluate.py measured, such as mig."""
    data: str | None = None
    """Where the data of the training are now, if they are needed and not where they were."""

    def model(self) -> Trained:
        """The model.

        Raises:
          InputError: there is none, or several that cannot be compared.
        """
        return load(str(self.run), data=self.data, best=self.best, **chosen(self.which))


def target(config: ModelChoice, name: str, *, images: bool) -> Path:
    """Where results go: `--out`, or a file or folder of this name in that of the run.

    Args:
      config: the flags.
      name: of the results, without an ending.
      images: whether they are images.

    Raises:
      InputError: results cannot be written there.
    """
    path = config.out
    if path is None:
        if not config.run.is_dir():
            raise InputError(f"--out is needed: {config.run} is not on this machine.")
        path = free_folder(config.run / name, resume=False) if images else config.run / f"{name}.csv"
    expect_known(path, images=images)
    return path


def feature_names(model: Trained) -> tuple[str, ...]:
    """The names of the columns of a model's rows: those of its table, or x0, x1, ….

    The rows of images are not written to tables, and have none.
    """
    described = model.description
    if described.images:
        return ()
    return described.feature_names or tuple(f"x{index}" for index in range(described.shape[0]))


def latent_names(model: Trained, what: str = "") -> tuple[str, ...]:
    """The names of the latents in a table: z0, z1, … and, of a measure of them, z0_WHAT."""
    return tuple(f"z{index}{'_' if what else ''}{what}" for index in range(model.latent))


def say_written(path: Path, count: int, what: str) -> None:
    """Print where how many results are."""
    print(f"{path}: {count:,} {what}.")
