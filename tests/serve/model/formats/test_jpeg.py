"""JPEG: what its pixels need, what its scans cost, and the end that may be missing."""

import struct

import pytest
from PIL import Image

from serve.errors import ImageTooLargeError, UndecodableImageError
from serve.model.formats import MAX_PARTS, jpeg
from serve.model.preprocess import decode
from tests.serve.model.pictures import encoded, exif_of, is_same, scene


def pieces(profile: bytes, *, shuffled: bool = False) -> bytes:
    """APP2 segments with an ICC profile in pieces of 1,000 bytes."""
    parts = [profile[start : start + 1000] for start in range(0, len(profile), 1000)]
    segments = [
        b"\xff\xe2" + struct.pack(">H", 16 + len(part)) + b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part
        for number, part in enumerate(parts, 1)
    ]
    return b"".join(reversed(segments) if shuffled else segments)


def with_segments(data: bytes, segments: bytes) -> bytes:
    return data[:2] + segments + data[2:]


def test_a_decoder_gets_the_tables_the_frame_and_the_scans() -> None:
    plain = encoded(scene(), "JPEG")
    full = encoded(scene(), "JPEG", exif=exif_of(6), icc_profile=b"a profile", comment=b"a comment")
    found = jpeg.parts(full)
    assert found.file == jpeg.parts(plain).file
    assert found.exif == exif_of(6).tobytes().removeprefix(b"Exif\0\0")
    assert found.profile == b"a profile"


def test_a_profile_in_pieces_is_joined_in_the_order_of_their_numbers() -> None:
    profile = bytes(range(256)) * 10
    for shuffled in (False, True):
        assert (
            jpeg.parts(with_segments(encoded(scene(), "JPEG"), pieces(profile, shuffled=shuffled))).profile == profile
        )


@pytest.mark.parametrize(
    ("options", "visited"),
    [({}, 1), ({"progressive": True, "subsampling": 0}, 14), ({"progressive": True, "subsampling": 2}, 8)],
    ids=["one scan", "progressive, 4:4:4", "progressive, 4:2:0"],
)
def test_work_is_the_pixels_of_all_scans(options: dict[str, int], visited: float) -> None:
    """Libjpeg's script has ten scans: six of luma, four of each chroma, of which two are together."""
    image = Image.new("RGB", (160, 96))
    assert jpeg.parts(encoded(image, "JPEG", **options)).work == 160 * 96 * visited


@pytest.mark.parametrize("size", [(1, 96), (153, 89)])
def test_blocks_are_decoded_whole(size: tuple[int, int]) -> None:
    """9,900 scans one pixel wide, 120 kB, took 2.2 s."""
    whole = (size[0] + 7) // 8 * 8, (size[1] + 7) // 8 * 8
    works = [jpeg.parts(encoded(Image.new("L", each), "JPEG", progressive=True)).work for each in (size, whole)]
    assert works[0] == works[1]


def test_garbage_before_the_first_scan_hides_no_other() -> None:
    """4,000 scans, 40 kB, took 10 s."""
    data = encoded(Image.new("RGB", (160, 96)), "JPEG", subsampling=0)
    start = data.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + bytes(4)  # of one channel
    for garbage in (b"", bytes(4) + b"\x03"):
        assert jpeg.parts(data[:start] + garbage + scan * 50 + data[-2:]).work == 160 * 96 * 50


def repeated(data: bytes, count: int) -> bytes:
    """A progressive JPEG with its last scan several times."""
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def test_every_repeated_scan_counts() -> None:
    data = encoded(Image.new("RGB", (160, 96)), "JPEG", progressive=True, subsampling=0)
    assert jpeg.parts(repeated(data, 51)).work == 160 * 96 * (14 + 50)


def test_bytes_that_fill_cost_what_they_weigh() -> None:
    """60 kB of them took 16 s, and a megabyte an hour."""
    data = encoded(scene(), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    pixels = jpeg.parts(data).work
    in_a_scan = data.index(b"\xff", scan + 2)
    for place, end in ((scan, b""), (in_a_scan, b""), (in_a_scan, b"\0")):
        filled = data[:place] + b"\xff" * 1_000_000 + end + data[place:]
        assert jpeg.parts(filled).work == pixels


def test_a_small_file_of_many_scans_and_pixels_is_refused() -> None:
    """200 scans of 50 megapixels took 12 s."""
    data = encoded(Image.new("L", (8000, 6250)), "JPEG", progressive=True)
    assert decode(repeated(data, 5), 8, 8).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="too long to decode"):
        decode(repeated(data, 200), 8, 8)


def test_a_file_without_its_end_marker_is_decoded_twice_which_counts() -> None:
    data = repeated(encoded(Image.new("L", (8000, 6250)), "JPEG", progressive=True), 15)
    assert decode(data, 8, 8).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="too long to decode"):
        decode(data[:-2], 8, 8)


def test_scans_with_garbage_and_restart_markers_between_are_counted() -> None:
    data = encoded(scene(), "JPEG", progressive=True, subsampling=0, restart_marker_blocks=2)
    one = jpeg.parts(data).work
    start = data.rindex(b"\xff\xda")
    odd = data[:start] + b"\x01\x02\xff\x00\xff\xff" + data[start:-2] + b"\xff\xff\xff" + data[start:]
    pixels = -(-scene().width // 8) * 8 * -(-scene().height // 8) * 8
    assert jpeg.parts(odd).work == one + pixels


def test_two_channels_of_one_number_count_as_the_larger() -> None:
    data = bytearray(encoded(scene(), "JPEG", progressive=True, subsampling=2))
    frame = data.index(b"\xff\xc2")
    data[frame + 13] = data[frame + 10]  # the second channel's number becomes the first's
    assert jpeg.parts(bytes(data)).work >= 6 * scene().width * scene().height


@pytest.mark.parametrize(
    ("marker", "message"),
    [(0xC3, "lossless or hierarchical"), (0xC5, "hierarchical"), (0xC7, "hierarchical"), (0xC9, "arithmetic coding"),
     (0xCA, "arithmetic coding"), (0xCB, "arithmetic coding"), (0xCF, "arithmetic coding")],
)  # fmt: skip
def test_kinds_that_no_camera_writes_are_refused(marker: int, message: str) -> None:
    data = encoded(scene(), "JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with pytest.raises(UndecodableImageError, match=message):
        decode(data, 8, 8)


def test_12_bits_are_refused() -> None:
    data = bytearray(encoded(scene(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UndecodableImageError, match="12-bit"):
        decode(bytes(data), 8, 8)


def test_a_second_frame_is_refused() -> None:
    data = encoded(scene(), "JPEG")
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 19]
    with pytest.raises(UndecodableImageError):
        decode(data[:start] + frame + data[start:], 8, 8)


def test_padding_between_segments_is_skipped() -> None:
    plain = encoded(scene(), "JPEG")
    place = plain.index(b"\xff\xdb")
    assert is_same(decode(plain[:place] + bytes(16) + plain[place:], 64, 64), decode(plain, 64, 64))


def test_segments_between_scans_are_too_many_parts() -> None:
    data = encoded(scene(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(data[:start] + b"\xff\xfe\0\2" * MAX_PARTS + data[start:], 8, 8)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 5}, {"quality": 100}])
@pytest.mark.parametrize("size", [(100, 100), (37, 51), (640, 480)])
def test_a_missing_end_marker_changes_nothing(options: dict[str, int], size: tuple[int, int]) -> None:
    data = encoded(scene().resize(size), "JPEG", **options)
    for cut in (data[:-2], data[:-1]):
        assert is_same(decode(cut, 30, 30), decode(data, 30, 30))


def test_tables_are_few() -> None:
    """10 MB of them took 0.4 s, and without an end marker 1.1 s."""
    data = encoded(scene(), "JPEG")
    start = data.index(b"\xff\xdb")
    tables = data[start : data.index(b"\xff\xc0")]
    few, many = (data[:start] + tables * count + data[start:] for count in (500, 1000))
    assert is_same(decode(few, 30, 30), decode(data, 30, 30))
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(many, 30, 30)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_missing_rows_are_an_error(options: dict[str, int], part: float) -> None:
    data = encoded(scene().resize((400, 300)), "JPEG", quality=90, **options)
    with pytest.raises(UndecodableImageError):
        decode(data[: int(len(data) * part)], 30, 30)


def test_a_missing_end_of_a_rotated_photo_and_of_one_with_a_thumbnail() -> None:
    data = encoded(scene(), "JPEG", exif=exif_of(6))
    assert is_same(decode(data[:-2], 30, 40), decode(data, 30, 40))
    thumbnail = encoded(scene().resize((20, 20)), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    with_thumbnail = with_segments(data, segment)
    assert is_same(decode(with_thumbnail[:-2], 30, 40), decode(data, 30, 40))
    with pytest.raises(UndecodableImageError):
        decode(with_thumbnail[: len(with_thumbnail) * 3 // 4], 30, 40)


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xda\0\2", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe1\0\1a"]
)
def test_a_beginning_alone_is_broken(data: bytes) -> None:
    with pytest.raises(UndecodableImageError):
        jpeg.parts(data)
