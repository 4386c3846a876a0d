"""The folder of a run or a sweep: its configuration, a row for each model and epoch, and its results."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.runs import hosts
from vae_jax.runs.config import FREE, SWEEP_FREE, Config, SweepConfig
from vae_jax.writing import plain, replace_file, write_json

FORMAT = 2  # of a folder; version 0.1 wrote none


class Folder:
    """`config.json`, `metrics.jsonl`, `summary.json` and TensorBoard events in one folder.

    Of several processes, only the first writes.

    Args:
      path: created if missing.
      config: the configuration of the run or sweep.

    Raises:
      InputError: the folder cannot be written, holds a run already (without `resume`), or one of another configuration.
    """

    def __init__(self, path: Path, config: Config):
        self.path = path
        self._events: dict[str, Any] = {}
        self._writes = hosts.is_first()
        if self._writes:
            self._enter(config)

    def rows(self) -> list[dict[str, Any]]:
        """The rows written so far."""
        file = self.path / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def keep_rows(self, keep: Callable[[Mapping[str, Any]], bool]) -> None:
        """Drop all other rows: an interrupted run may be ahead of its checkpoint."""
        file = self.path / "metrics.jsonl"
        if self._writes:
            try:
                lines = file.read_text().splitlines(keepends=True) if file.exists() else []
                kept = [line for line in lines if line.endswith("\n") and keep(json.loads(line))]
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise InputError(
                    f"{file} is not what a command wrote ({error}); delete it, and its rows begin anew."
                ) from error
            replace_file(file, "".join(kept))

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row to `metrics.jsonl`, and the same numbers as TensorBoard events.

        Args:
          row: `epoch`, `step`, parts of the data with their metrics, as in `{"train": {"rate": …}, "validation": {…}}`,
            and in a sweep `model`, which names it.
        """
        if not self._writes:
            return
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(plain(row)) + "\n")
        events = self._writer(row.get("model", ""), row["step"])
        for part in (name for name in row if isinstance(row[name], Mapping)):
            for name, value in row[part].items():
                if math.isfinite(value):
                    events.add_scalar(f"{name}/{part}", value, row["step"])

    def close_events(self) -> None:
        """Close the TensorBoard events of the models so far."""
        for writer in self._events.values():
            writer.close()
        self._events = {}

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, after the last row."""
        self.close_events()
        if self._writes:
            write_json(self.path / "summary.json", summary)

    def _writer(self, model: str, step: int) -> Any:
        if model not in self._events:
            from tensorboardX import SummaryWriter

            self._events[model] = SummaryWriter(str(self.path / "tensorboard" / model), purge_step=step)
        return self._events[model]

    def _enter(self, config: Config) -> None:
        wanted = {"format": FORMAT, **json.loads(json.dumps(dataclasses.asdict(config), default=str))}
        file = self.path / "config.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if file.exists():
                self._expect_continuation(json.loads(file.read_text()), wanted, config)
            write_json(file, wanted)
        except OSError as error:
            raise InputError(
                f"--out {self.path} cannot be written ({error.strerror}); choose another folder."
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{file} is not a run's configuration; choose another --out.") from error

    def _expect_continuation(self, found: dict[str, Any], wanted: dict[str, Any], config: Config) -> None:
        expect_format(self.path, found)
        if not config.resume:
            raise InputError(f"{self.path} holds a run already; pass --resume to go on with it, or another --out.")
        if found.keys() != wanted.keys():
            kind = "sweep" if isinstance(config, SweepConfig) else "run"
            raise InputError(f"{self.path} does not hold a {kind} of this version; choose another --out.")
        free = SWEEP_FREE if isinstance(config, SweepConfig) else FREE
        other = [
            f"{name} was {found.get(name)!r}, now {value!r}"
            for name, value in wanted.items()
            if name not in free and found.get(name) != value
        ]
        if other:
            raise InputError(f"{self.path} holds another run: {'; '.join(other)}. Choose another --out, or match it.")


def read_config(path: Path) -> Config:
    """The configuration of a run or of a sweep, as its dataclass.

    Raises:
      InputError: there is none, it is of another version, or it is not what a command wrote.
    """
    try:
        saved = json.loads((path / "config.json").read_text())
        expect_format(path, saved)
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()}
        del values["format"]
        for name in ("manual_dir", "out"):
            values[name] = Path(values[name]) if values.get(name) else None
        return (SweepConfig if "betas" in values else Config)(**values)
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path} holds no run and no sweep (config.json cannot be read); expected the --out of one."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path / 'config.json'} is not what a command of this version wrote ({error}).") from error


def expect_format(path: Path, found: Any) -> None:
    """Refuse a folder of another version: the same seed drew other numbers there.

    Raises:
      InputError: another format, or none.
    """
    if not isinstance(found, dict):
        raise InputError(f"{path / 'config.json'} is not what a command of this version wrote.")
    if found.get("format") != FORMAT:
        which = "version 0.1" if "format" not in found else f"another version (format {found['format']})"
        raise InputError(
            f"{path} was written by {which}, where a seed draws other random numbers; expected format {FORMAT}. "
            "Train it again into another --out, or read it with the version that wrote it."
        )


def free_folder(base: Path, *, resume: bool) -> Path:
    """`base`, or `base-2`, `base-3`, … so that nothing is overwritten; with `resume`, the newest that exists."""
    index, path = 1, base
    while path.exists():
        last = path
        index += 1
        path = base.with_name(f"{base.name}-{index}")
        if resume and not path.exists():
            return last
    return path
