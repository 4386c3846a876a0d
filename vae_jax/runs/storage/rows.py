"""The rows of `metrics.jsonl`: one for each model and epoch, checked when they are read back."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError
from vae_jax.writing import plain, replace_file

Row = Mapping[str, Any]  # of `metrics.jsonl`


class Rows:
    """The rows in a file, and the checksum of those of the models in training, which a checkpoint records.

    Args:
      file: the path of `metrics.jsonl`, whether it exists or not.
    """

    def __init__(self, file: Path):
        self.file = file
        self._sum, self._count = hashlib.sha256(), 0

    def read(self) -> list[Row]:
        """All rows.

        Raises:
          InputError: a row that no command wrote.
        """
        return [self._checked(line) for line in self._lines()]

    def keep(self, models: Sequence[str], done: int) -> list[Row]:
        """Drop the rows of these models beyond epoch `done`, and any row cut off; returns the rest, of all models.

        Raises:
          InputError: a row that no command wrote.
        """
        own = set(models)
        whole = [(line, self._checked(line)) for line in self._lines() if line.endswith("\n")]
        kept = [(line, row) for line, row in whole if row.get("model", "") not in own or row["epoch"] <= done]
        replace_file(self.file, "".join(line for line, _ in kept))
        self._sum, self._count = hashlib.sha256(), 0
        for line, row in kept:
            if row.get("model", "") in own:
                self._add(line)
        return [row for _, row in kept]

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row of a model in training."""
        line = json.dumps(plain(row)) + "\n"
        with self.file.open("a") as file:
            file.write(line)
        self._add(line)

    def written(self) -> dict[str, Any]:
        """Count and SHA-256 of the rows of the models in training, which are on disk when it returns."""
        if self.file.exists():
            with self.file.open("rb") as file:
                os.fsync(file.fileno())
        return {"count": self._count, "sha256": self._sum.hexdigest()}

    def _add(self, line: str) -> None:
        self._sum.update(line.encode())
        self._count += 1

    def _lines(self) -> list[str]:
        try:
            return self.file.read_text(encoding="utf-8").splitlines(keepends=True) if self.file.exists() else []
        except UnicodeDecodeError as error:
            raise self._refusal(error) from error

    def _checked(self, line: str) -> Row:
        """A row: an epoch, a step, parts of the data with their numbers, and perhaps a model."""
        try:
            row = json.loads(line)
            parts = {name: part for name, part in row.items() if name not in ("model", "epoch", "step")}
            numbers = [number for part in parts.values() for number in part.values() if number is not None]
            if not all(type(row[name]) is int and 0 < row[name] < 2**63 for name in ("epoch", "step")):
                raise ValueError("expected an epoch and a step from 1")
            if not isinstance(row.get("model", ""), str) or {"train", "validation"} - parts.keys():
                raise ValueError("expected a model, train and validation")
            if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
                raise ValueError("expected finite numbers, or null")
            json.dumps(row, ensure_ascii=False).encode()  # half a character can be read but not written
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise self._refusal(error) from error
        return row

    def _refusal(self, error: Exception) -> InputError:
        return InputError(
            f"{self.file} is not what a command wrote ({error!s:.80}); delete it, and its rows begin anew."
        )
