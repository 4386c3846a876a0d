"""TensorBoard events: the rows of `metrics.jsonl` once more, a file for each model.

They are appended as they come, each in its place on disk before the next step: no thread that a full disk could stop,
no file held open for each of a thousand models.
"""

import math
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Events:
    """The events in a folder.

    Args:
      folder: a folder for each model is made in it; a run has one, without a name.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def append(self, row: Mapping[str, Any]) -> None:
        """Append the finite numbers of a row, each as `metric/part of the data`."""
        file = self._file(row.get("model", ""))
        new = not file.exists()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as sink:
            sink.write((_first() if new else b"") + _event(row))

    def rewrite(self, rows: Iterable[Mapping[str, Any]], models: Iterable[str]) -> None:
        """Have the events of some models say what the rows say, and no more: as a resumed run begins."""
        models = set(models)
        for model in models:
            self._file(model).unlink(missing_ok=True)
        for row in rows:
            if row.get("model", "") in models:
                self.append(row)

    def _file(self, model: str) -> Path:
        return self.folder / model / "events.out.tfevents.0.vae_jax"


def _event(row: Mapping[str, Any]) -> bytes:
    scalars = [{"tag": tag, "simple_value": value} for tag, value in _scalars(row)]
    return _record(step=row["step"], summary={"value": scalars})


def _first() -> bytes:
    return _record(file_version="brain.Event:2")


def _scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for part in (name for name in row if isinstance(row[name], Mapping)):
        for name, value in row[part].items():
            if value is not None and math.isfinite(value):
                yield f"{name}/{part}", value


def _record(**event: Any) -> bytes:
    """An event in TensorFlow's record format: its length and its bytes, each with a checksum."""
    from tensorboardX.proto import event_pb2
    from tensorboardX.record_writer import masked_crc32c

    message: Any = event_pb2
    data = message.Event(wall_time=time.time(), **event).SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
