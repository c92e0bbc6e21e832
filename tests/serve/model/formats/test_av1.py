"""AV1: sizes from the sequence header, and frames."""

import pytest
from PIL import Image

from serve.errors import UndecodableImageError
from serve.model.formats import MAX_PARTS, Coded, PartCount, av1, boxes
from tests.serve.model.pictures import encoded, scene


def bitstream(**options: object) -> bytes:
    data = encoded(scene((301, 203)), "AVIF", **options)
    meta = boxes.Meta(data)
    return meta.data(meta.primary)


def test_codecs_decode_whole_blocks() -> None:
    """1,880 frames one pixel wide, 0.9 MB, took 4.8 s."""
    assert Coded(1, 32_768, 3.0, 1880).work() == Coded(64, 32_768, 3.0, 1880).work()
    assert Coded(65, 1, 1.5, 1).work() == Coded(128, 64, 1.5, 1).work()


@pytest.mark.parametrize(("subsampling", "samples"), [("4:0:0", 3.0), ("4:2:0", 3.0), ("4:2:2", 8.0), ("4:4:4", 6.0)])
def test_every_chroma_format(subsampling: str, samples: float) -> None:
    """By profile: whether there are 8 or 10 bits, and color, stands behind the size."""
    found = av1.coded(bitstream(subsampling=subsampling), PartCount())
    assert found == Coded(301, 203, samples, 1)


def test_a_sequence_of_pictures_has_a_longer_header() -> None:
    """Operating points stand in it, and it is not reduced."""
    second = scene((301, 203)).transpose(Image.Transpose.ROTATE_180)
    data = encoded(scene((301, 203)), "AVIF", save_all=True, append_images=[second])
    meta = boxes.Meta(data)
    assert av1.coded(meta.data(meta.primary), PartCount())[:2] == (301, 203)


def test_times_and_decoder_models_are_skipped() -> None:
    fields = (
        "000 0 0"  # profile 0, neither still nor reduced
        "1" + "0" * 64 + "1 1"  # times, equal intervals: a code of one bit
        "1 00111"
        + "0" * 42  # a decoder model, delays of 8 bits
        + "1 00001"  # display delays, and two operating points
        + ("0" * 12 + "01000 1" + "1" + "0" * 17 + "1 0000") * 2
        + "1001 1000"
        + f"{639:010b}"
        + f"{479:09b}"
    )
    bits = fields.replace(" ", "")
    header = int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    unit = bytes([1 << 3 | 2, len(header)]) + header
    assert av1.coded(unit, PartCount()) == Coded(640, 480, 3.0, 0)


def test_every_frame_counts() -> None:
    data = bitstream()
    assert av1.coded(data * 5, PartCount()).pictures == 5


def test_sequence_headers_are_few() -> None:
    data = bitstream()
    header = next(content for kind, content in av1._units(data) if kind == 1)
    unit = bytes([1 << 3 | 2, len(header)]) + header
    assert av1.coded(unit * 99 + data, PartCount()) == av1.coded(data, PartCount())
    with pytest.raises(UndecodableImageError, match="too many parts"):
        av1.coded(unit * 100 + data, PartCount())


def test_the_last_unit_needs_no_length() -> None:
    data = bitstream()
    frame = next(content for kind, content in av1._units(data) if kind == 6)
    start = data.index(frame)
    length = len(data) - start
    assert length == len(frame)
    without = data[: start - 1 - (length > 127) - (length > 16_383)][:-1] + bytes([6 << 3]) + frame
    assert av1.coded(without, PartCount()) == av1.coded(data, PartCount())


def test_what_is_broken() -> None:
    for data in (b"", b"\x0a", b"\x0a\x05\0", b"\x0a\x02\0\0", b"\x0a" + b"\xff" * 9, b"\x32\x01\0"):
        with pytest.raises((EOFError, IndexError, ValueError)):
            av1.coded(data, PartCount())
    with pytest.raises(UndecodableImageError, match="too many parts"):
        av1.coded(b"\x12\0" * (MAX_PARTS + 1), PartCount())
