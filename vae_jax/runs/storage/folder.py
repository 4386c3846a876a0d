"""The folder of a run or a sweep: its configuration, a row for each model and epoch, and its results."""

import csv
import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from vae_jax.errors import InputError
from vae_jax.runs.configuration.config import Config, SweepConfig, as_config, as_json, with_earlier
from vae_jax.runs.configuration.resolved import Resolved, resolve
from vae_jax.runs.process import hosts
from vae_jax.runs.process.trackers import Trackers
from vae_jax.runs.storage.events import Events
from vae_jax.runs.storage.rows import Row, Rows
from vae_jax.writing import replace_file, write_json

FORMAT = 2  # of a folder; version 0.1 wrote none


class RunFolder:
    """`config.json`, `metrics.jsonl`, `summary.json` and TensorBoard events in one folder, locked until it is closed.

    Of several processes, only the first writes. The lock is the operating system's, so a process that dies releases it.

    Args:
      path: created if missing.
      config: the flags of the run or sweep, or what they resolve to.

    Raises:
      InputError: the folder cannot be written, another process is writing there, or it holds a run already (without
        `resume`), or one of another configuration.
    """

    def __init__(self, path: Path, config: Config | Resolved):
        chosen = resolve(config)
        self.path, self.kind = path, chosen.kind
        self._events = Events(path / "tensorboard")
        self._lock = None
        self._trackers: Trackers | None = None
        self._rows = Rows(path / "metrics.jsonl")
        self._config = {"format": FORMAT, **as_json(chosen.config)}
        self._writes = hosts.is_first()
        if self._writes:
            try:
                self._enter(chosen)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the trackers, and let others write here."""
        if self._trackers:
            self._trackers.close()
        if self._lock:
            self._lock.release()

    def rows(self) -> list[Row]:
        """The rows written so far."""
        return self._rows.read()

    def rewind(self, models: Sequence[str], done: int, written: Any = None) -> None:
        """Drop the rows and events of these models beyond an epoch: an interrupted run may be ahead of its checkpoint.

        Args:
          models: those that are going to be trained.
          done: the epoch that they go on from.
          written: what `written` returned then; None if nothing was written.

        Raises:
          InputError: a row that no command wrote.
        """
        if not self._writes:
            return
        write_json(self.path / "config.json", self._config)
        self._events.rewrite(self._rows.keep(models, done), models)
        if written not in (None, self.written()):
            print(
                f"{self._rows.file} does not hold the rows up to epoch {done} as they were written; what is "
                "missing can be had again only by training anew.",
                file=sys.stderr,
            )

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row to `metrics.jsonl`, and the same numbers as TensorBoard events.

        Args:
          row: `epoch`, `step`, parts of the data with their metrics, as in `{"train": {"rate": …}, "validation": {…}}`,
            and in a sweep `model`, which names it.
        """
        if self._writes:
            self._rows.append(row)
            self._events.append(row)
            if self._trackers:
                self._trackers.append(row)

    def written(self) -> dict[str, Any]:
        """Count and checksum of the rows of the models in training, which are on disk when it returns."""
        return self._rows.written()

    def summary(self) -> dict[str, Any]:
        """The summary that an earlier command wrote; empty if there is none."""
        try:
            return dict(json_of(self.path / "summary.json"))
        except (OSError, InputError, TypeError, ValueError):
            return {}

    def keep_parts(self, ids: Sequence[Sequence[Any]] | None) -> None:
        """Write `parts.csv`, which examples of the user's own belong to which part; once, when a run starts.

        Args:
          ids: of training, validation and testing; None for published data, whose parts are theirs.
        """
        file = self.path / "parts.csv"
        if self._writes and ids is not None and not file.exists():
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(("id", "part"))
            for part, names in zip(("train", "validation", "test"), ids, strict=True):
                writer.writerows((name, part) for name in names)
            replace_file(file, text.getvalue())

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, after the last row."""
        if self._writes:
            write_json(self.path / "config.json", self._config)
            write_json(self.path / "summary.json", summary)

    def _enter(self, chosen: Resolved) -> None:
        config, file = chosen.config, self.path / "config.json"
        if any(letter in str(self.path.resolve()) for letter in "[]") or not _is_text(str(self.path)):
            raise InputError(
                f"--out {self.path}: checkpoints cannot be written to a path with [, ] or bytes that are no text; "
                "choose another folder."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path)
            if file.exists():
                self._expect_continuation(json_of(file), chosen)
            elif (self.path / "checkpoints").exists():
                raise InputError(f"{self.path} holds a run whose config.json is missing; choose another --out.")
            self._trackers = Trackers(config.tracker, self.path, self._config)
            if not file.exists():
                write_json(file, self._config)
        except OSError as error:
            raise InputError(
                f"--out {self.path} cannot be written ({error.strerror}); choose another folder."
            ) from error

    def _expect_continuation(self, found: dict[str, Any], chosen: Resolved) -> None:
        wanted, free = self._config, chosen.free
        expect_format(self.path, found)
        found = with_earlier(found)
        if not chosen.config.resume:
            raise InputError(f"{self.path} holds a run already; pass --resume to go on with it, or another --out.")
        if found.keys() != wanted.keys():
            raise InputError(f"{self.path} does not hold a {self.kind.word} of this version; choose another --out.")
        other = [
            f"{name} was {found.get(name)!r}, now {value!r}"
            for name, value in wanted.items()
            if name not in free and found.get(name) != value
        ]
        if other:
            raise InputError(f"{self.path} holds another run: {'; '.join(other)}. Choose another --out, or match it.")


def _is_text(path: str) -> bool:
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def _locked(path: Path) -> BaseFileLock:
    """The folder's lock, held.

    Raises:
      InputError: another process holds it.
    """
    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another process is writing to {path}; wait until it has ended, or choose another --out."
        ) from error
    return lock


def read_config(path: Path) -> Config:
    """The configuration of a run or of a sweep, as its dataclass.

    Raises:
      InputError: there is none, it is of another version, or it is not what a command wrote.
    """
    try:
        saved = json_of(path / "config.json")
    except OSError as error:
        raise InputError(
            f"{path} holds no run and no sweep (config.json cannot be read); expected the --out of one."
        ) from error
    expect_format(path, saved)
    del saved["format"]
    return as_config(saved, SweepConfig if "betas" in saved else Config, str(path / "config.json"))


def json_of(path: Path, most: int = 1_000_000) -> Any:
    """The content of a JSON file, which need not be one of ours.

    Raises:
      InputError: it is not JSON, or longer than `most` bytes.
      OSError: it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("no file")
        with path.open("rb") as file:
            text = file.read(most + 1)
        if len(text) > most:
            raise ValueError(f"over {most:,} bytes")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not what a command wrote ({error}); choose another --out.") from error


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


def default_folder(config: Config, kind: str) -> Path:
    """`runs/DATA-KIND`; characters of DATA that the path of a checkpoint may not have become `-`."""
    path = Path(config.data)
    name = path.resolve().name if path.is_dir() else path.stem
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "data"
    return Path("runs") / f"{plain}-{kind}"


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
