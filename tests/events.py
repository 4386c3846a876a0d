"""The scalars in TensorBoard's event files, read with tensorboardX's own protocol and not by what wrote them."""

import struct
from pathlib import Path

from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c


def scalars(folder: Path) -> list[tuple[str, int, str, float]]:
    """`(model, step, tag, value)` of every event under a run's folder, in the order of the files."""
    found = []
    for file in sorted((folder / "tensorboard").rglob("*tfevents*")):
        data, at, model = file.read_bytes(), 0, str(file.parent.relative_to(folder / "tensorboard"))
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            record = data[at + 12 : at + 12 + length]
            sums = struct.unpack_from("<I", data, at + 8)[0], struct.unpack_from("<I", data, at + 12 + length)[0]
            assert sums == (masked_crc32c(data[at : at + 8]), masked_crc32c(record))
            event = event_pb2.Event.FromString(record)
            assert event.file_version == "brain.Event:2" if at == 0 else event.step > 0
            found += [(model, event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += 16 + length
    return found
