"""The folder that a run leaves: what it was asked for, a row an epoch, and what came out."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vae_jax.errors import InputError

ConfigT = TypeVar("ConfigT")

FORMAT = 2  # of a run's folder; version 0.1 wrote none

# What may differ between a run and its resumption.
FREE = ("out", "resume", "epochs", "manual_dir")


class RunFolder:
    """`config.json`, `metrics.jsonl` and `summary.json` in one folder.

    Args:
      path: made if it is not there.
      config: the run's configuration, a dataclass.
      resume: go on with the run that is in the folder.
      free: fields of the configuration that may differ between a run and its resumption.

    Raises:
      InputError: the folder cannot be written, holds a run already (without `resume`), or one of another configuration.
    """

    def __init__(self, path: Path, config: Any, *, resume: bool, free: tuple[str, ...] = FREE):
        self.path = path
        self._free = free
        self._events: Any = None
        wanted = {"format": FORMAT, **json.loads(json.dumps(dataclasses.asdict(config), default=str))}
        try:
            path.mkdir(parents=True, exist_ok=True)
            found = json.loads((path / "config.json").read_text()) if (path / "config.json").exists() else None
            if found is not None:
                self._expect_continuation(found, wanted, resume)
            replace_file(path / "config.json", json.dumps(wanted, indent=2) + "\n")
        except OSError as error:
            raise InputError(f"--out {path} cannot be written ({error.strerror}); choose another folder.") from error
        except json.JSONDecodeError as error:
            raise InputError(f"{path / 'config.json'} is not a run's configuration; choose another --out.") from error

    def rows(self) -> list[dict[str, Any]]:
        """The rows written so far."""
        file = self.path / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def keep_rows(self, epochs: int) -> None:
        """Drop what was written after `epochs`: a run that was cut may be a row ahead of its checkpoint."""
        file = self.path / "metrics.jsonl"
        lines = file.read_text().splitlines(keepends=True)[:epochs] if file.exists() else []
        replace_file(file, "".join(lines))

    def append(self, row: Mapping[str, Any]) -> None:
        """A row of `metrics.jsonl`, and the same numbers as TensorBoard events.

        Args:
          row: `epoch`, `step`, and parts of the data with their metrics: `{"train": {"rate": …}, "validation": {…}}`.
        """
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(plain(row)) + "\n")
        if self._events is None:
            from tensorboardX import SummaryWriter

            self._events = SummaryWriter(str(self.path / "tensorboard"), purge_step=row["step"])
        for part in (name for name in row if isinstance(row[name], Mapping)):
            for name, value in row[part].items():
                if math.isfinite(value):
                    self._events.add_scalar(f"{name}/{part}", value, row["step"])

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, after the last row."""
        if self._events is not None:
            self._events.close()
        replace_file(self.path / "summary.json", json.dumps(plain(summary), indent=2) + "\n")

    def _expect_continuation(self, found: dict[str, Any], wanted: dict[str, Any], resume: bool) -> None:
        if not resume:
            raise InputError(f"{self.path} holds a run already; pass --resume to go on with it, or another --out.")
        expect_format(self.path, found)
        other = [
            f"{name} was {found.get(name)!r}, now {value!r}"
            for name, value in wanted.items()
            if name not in self._free and found.get(name) != value
        ]
        if other:
            raise InputError(f"{self.path} holds another run: {'; '.join(other)}. Choose another --out, or match it.")


def read_config(path: Path, kind: type[ConfigT], *, of: str = "run") -> ConfigT:
    """The configuration that `RunFolder` wrote, as the dataclass that it was.

    Args:
      path: the folder.
      kind: the dataclass.
      of: what the folder should hold, for the message when it does not.

    Raises:
      InputError: there is none, or it is of another kind.
    """
    try:
        found = json.loads((path / "config.json").read_text())
        expect_format(path, found)
        del found["format"]
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
        for name in ("manual_dir", "out"):
            values[name] = Path(values[name]) if values.get(name) else None
        return kind(**values)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} holds no {of} (config.json cannot be read); expected the --out of one.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path / 'config.json'} is not what a command of this version wrote ({error}).") from error


def expect_format(path: Path, found: Mapping[str, Any]) -> None:
    """Refuse a folder of another version: the same seed drew other numbers there.

    Raises:
      InputError: another format, or none.
    """
    if found.get("format") != FORMAT:
        which = "version 0.1" if "format" not in found else f"a newer version (format {found['format']})"
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


def plain(value: Any) -> Any:
    """JSON has no NaN: what is not defined is null."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(text)
    os.replace(aside, path)
