"""Where the photos are in a TFRecord file of TFDS: any of them can then be read without those before it."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import tensorflow as tf

# tensorflow/core/lib/io/record_writer.h: length, CRC of the length, the record, CRC of the record; little-endian.
_HEADER: Final = struct.Struct("<QI")
_FOOTER: Final = 4  # bytes


class Found(NamedTuple):
    """A photo in the file: its name and label, and the place of its bytes."""

    filename: str
    label: int
    offset: int
    size: int


def photos(file: Path) -> Iterator[Found]:
    """The photos of a file in stored order; of a truncated file, those that are complete."""
    end = file.stat().st_size
    with file.open("rb") as stream:
        while (start := stream.tell() + _HEADER.size) <= end:
            size, _ = _HEADER.unpack(stream.read(_HEADER.size))
            if start + size + _FOOTER > end:
                return
            yield _found(stream.read(size), start)
            stream.seek(_FOOTER, os.SEEK_CUR)


def _found(record: bytes, start: int) -> Found:
    features = tf.train.Example.FromString(record).features.feature
    image = features["image"].bytes_list.value[0]
    return Found(
        features["image/filename"].bytes_list.value[0].decode(),
        int(features["label"].int64_list.value[0]),
        start + record.index(image),
        len(image),
    )
