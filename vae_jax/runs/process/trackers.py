"""Where metrics go besides the folder of a run: the table that `--tracker` chooses from.

A new one is a class with `@register`, here or in a new file of this folder. It imports its package when it is
constructed.
"""

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from vae_jax.errors import InputError, first_line
from vae_jax.registry import Registry


class Tracker(Protocol):
    """What a tracker provides.

    Attributes:
      package: the package that it imports.
    """

    package: ClassVar[str]

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Start tracking the run or sweep in `folder`, which was started with the flags in `config`."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record finite numbers at a step, by names such as `rate/validation`; in a sweep, `MODEL/rate/validation`."""

    def close(self) -> None:
        """Finish, after the last `log`."""


TRACKERS: Registry[type[Tracker], []] = Registry("tracker", "vae_jax.runs.process")


@TRACKERS.register("wandb")
class WeightsAndBiases:
    """Weights & Biases; `WANDB_MODE=offline` keeps everything on this machine, in the folder."""

    package = "wandb"

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        wandb: Any = importlib.import_module("wandb")
        self._run = wandb.init(project="vae_jax", name=folder.name, dir=str(folder), config=dict(config))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


@TRACKERS.register("mlflow")
class MLflow:
    """MLflow, at the tracking server that `MLFLOW_TRACKING_URI` names."""

    package = "mlflow"

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        mlflow: Any = importlib.import_module("mlflow")
        experiment = mlflow.get_experiment_by_name("vae_jax")
        number = experiment.experiment_id if experiment else mlflow.create_experiment("vae_jax")
        self._client = mlflow.MlflowClient()
        self._run = self._client.create_run(number, run_name=folder.name).info.run_id
        for name, value in config.items():
            self._client.log_param(self._run, name, str(value)[:500])

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._client.log_metric(self._run, name.replace("=", ":"), value, step=step)  # = is not allowed there

    def close(self) -> None:
        self._client.set_terminated(self._run)


class Trackers:
    """Several trackers. One that fails is reported once and left out from then on; training goes on.

    Args:
      names: in `TRACKERS`.
      folder: that of the run or sweep.
      config: its flags.

    Raises:
      InputError: an unknown name, or a tracker that cannot be started.
    """

    def __init__(self, names: Sequence[str], folder: Path, config: Mapping[str, Any]):
        self._trackers: dict[str, Tracker] = {}
        for name in names:
            kind = TRACKERS.find(name, f"--tracker {name}")
            try:
                self._trackers[name] = kind(folder, config)
            except Exception as error:
                raise InputError(f"--tracker {name} could not be started ({first_line(error)}).") from error

    def append(self, row: Mapping[str, Any]) -> None:
        """Log a row of `metrics.jsonl`."""
        prefix = f"{row['model']}/" if "model" in row else ""
        numbers = {
            f"{prefix}{metric}/{part}": value
            for part, metrics in row.items()
            if isinstance(metrics, Mapping)
            for metric, value in metrics.items()
            if value is not None and math.isfinite(value)
        }
        self._each(lambda tracker: tracker.log(row["step"], numbers))

    def close(self) -> None:
        """Close them all, after the last row."""
        self._each(lambda tracker: tracker.close())

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                act(tracker)
            except Exception as error:  # an unreachable server must not end a run
                print(f"--tracker {name} failed ({first_line(error)}) and is left out now.", file=sys.stderr)
                del self._trackers[name]


def expect_installed(name: str) -> None:
    """Refuse a tracker that could not be started.

    Raises:
      InputError: an unknown name, or a package that is not installed.
    """
    package = TRACKERS.find(name, f"--tracker {name}").package
    if importlib.util.find_spec(package) is None:
        raise InputError(f"--tracker {name} needs its package; pip install {package}.")
