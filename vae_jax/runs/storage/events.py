"""TensorBoard events: the rows of `metrics.jsonl` again, in a file for each model.

Each row is written at once, without a thread that a full disk could stop or a file held open for each of a thousand
models. The few fields of an event are encoded here, since the packages that could do so import PyTorch or TensorFlow if
these are installed, which takes seconds.
"""

import math
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any


class Events:
    """The events in a folder.

    Args:
      folder: gets a folder for each model of a sweep; the events of a run lie in it directly.
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
        """Replace the events of some models by those of the rows, when a run is resumed."""
        models = set(models)
        for model in models:
            self._file(model).unlink(missing_ok=True)
        for row in rows:
            if row.get("model", "") in models:
                self.append(row)

    def _file(self, model: str) -> Path:
        return self.folder / model / "events.out.tfevents.0.vae_jax"


def _event(row: Mapping[str, Any]) -> bytes:
    values = [_text(1, tag) + _number(2, "f", value) for tag, value in _scalars(row)]
    return _record(_whole(2, row["step"]) + _message(5, b"".join(_message(1, value) for value in values)))


def _first() -> bytes:
    return _record(_text(3, "brain.Event:2"))


def _scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for part in (name for name in row if isinstance(row[name], Mapping)):
        for name, value in row[part].items():
            if value is not None and math.isfinite(value):
                yield f"{name}/{part}", value


# TensorFlow's record format holds an event as its length and its bytes, each with a checksum. The bytes are those of
# its `event.proto`, in the encoding of protocol buffers: each field is its number and wire type, then its value.


def _record(event: bytes) -> bytes:
    event = _number(1, "d", time.time()) + event
    length = struct.pack("<Q", len(event))
    return length + _checksum(length) + event + _checksum(event)


def _number(field: int, kind: str, value: float) -> bytes:
    return _varint(field << 3 | {"d": 1, "f": 5}[kind]) + struct.pack(f"<{kind}", value)


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth bit says that more bytes follow."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and offset as the format requires."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _table() -> list[int]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return [entry(byte) for byte in range(256)]
