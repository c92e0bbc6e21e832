"""HEIC and AVIF: what is coded decides, not what the container says; only the primary picture is decoded."""

import io
import re
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from benchmarks.robustness.derived import derived, lying, repeated
from serve.errors import ImageTooLargeError, ProblemError, UndecodableImageError
from serve.model.formats import MAX_PARTS, boxes, heif, parts
from serve.model.preprocess import decode
from tests.serve.model.pictures import difference, encoded, exif_of, is_same, scene

pillow_heif.register_heif_opener()
SIZE = (320, 240)
FORMATS = ["HEIF", "AVIF"]
KINDS = {"HEIF": b"hvc1", "AVIF": b"av01"}


def transparent_scene() -> Image.Image:
    image = scene(SIZE).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return image


def photo(image_format: str, size: tuple[int, int] = SIZE, **options: object) -> bytes:
    return encoded(scene(size), image_format, **{"quality": 90, **options})


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize(
    "options",
    [{"exif": exif_of(6), "xmp": b"<x:xmpmeta/>"}, {"save_all": True, "append_images": [scene(SIZE)]}],
    ids=["metadata", "further pictures"],
)
def test_nothing_but_the_picture_is_left(image_format: str, options: dict[str, Any]) -> None:
    data = encoded(scene(SIZE), image_format, **options)
    found = parts(data, image_format)
    assert list(boxes.Meta(found.file).kinds.values()) == [KINDS[image_format]]
    assert all(kind not in found.file for kind in (b"Exif", b"mime", b"moov"))
    assert parts(found.file, image_format) == found
    assert decode(found.file, 60, 80).tobytes() == decode(data, 60, 80).tobytes()


@pytest.mark.parametrize("image_format", FORMATS)
def test_work_and_memory_are_those_of_the_coded_pictures(image_format: str) -> None:
    opaque = parts(photo(image_format), image_format)
    transparent = parts(encoded(transparent_scene(), image_format, quality=90), image_format)
    assert opaque.work == 320 * 256 * {"HEIF": 1.5, "AVIF": 3}[image_format]
    assert transparent.work > opaque.work
    assert transparent.memory > opaque.memory > 320 * 240 * 6


LARGE, TOO_MANY = (640, 424), 300_000
"""A size, and a limit on pixels that is below it."""


def with_thumbnails(*sides: int) -> bytes:
    """A HEIC with smaller pictures beside the large one, as phones write them."""
    picture = pillow_heif.from_pillow(scene(LARGE))
    picture.info["thumbnails"] = list(sides)
    file = io.BytesIO()
    picture.save(file, quality=50)
    return file.getvalue()


@pytest.mark.parametrize("sides", [(320,), (384, 240)])
def test_a_photo_that_takes_too_much_is_answered_by_its_largest_thumbnail(sides: tuple[int, ...]) -> None:
    data = with_thumbnails(*sides)
    small = decode(data, 160, 160, max_pixels=TOO_MANY)
    stored = heif.thumbnail(data, "HEIF", 160)
    assert stored is not None
    meta = boxes.Meta(stored.file)
    assert len(meta.kinds) == 1
    assert max(heif._size(meta.properties(meta.primary))) == max(sides)
    assert small.tobytes() == decode(stored.file, 160, 160).tobytes()
    assert 0 < difference(small, decode(data, 160, 160)) < 4


@pytest.mark.parametrize(("image_format", "sides"), [("HEIF", ()), ("HEIF", (200,)), ("AVIF", ())])
def test_a_photo_that_takes_too_much_and_has_no_such_thumbnail_is_refused(
    image_format: str, sides: tuple[int, ...]
) -> None:
    data = with_thumbnails(*sides) if sides else photo(image_format, LARGE)
    with pytest.raises(ImageTooLargeError):
        decode(data, 160, 160, max_pixels=TOO_MANY)


@pytest.mark.parametrize(("width", "is_taken"), [(642, True), (660, False), (424, False)])
def test_a_thumbnail_that_shows_another_part_is_not_taken(width: int, is_taken: bool) -> None:
    data = with_thumbnails(320)
    size, other = (b"ispe" + struct.pack(">III", 0, each, LARGE[1]) for each in (LARGE[0], width))
    assert data.count(size) == 1
    assert (heif.thumbnail(data.replace(size, other), "HEIF", 160) is not None) == is_taken


def test_a_thumbnail_is_turned_as_it_says_itself() -> None:
    data = with_thumbnails(320)
    meta = boxes.Meta(data)
    turned = boxes.Property(essential=True, kind=b"irot", content=memoryview(b"\1"))  # a quarter to the left
    items = {name: (kind, [*meta.properties(name), turned], meta.data(name)) for name, kind in meta.kinds.items()}
    (small,) = meta.referring(b"thmb", meta.primary)
    lying = boxes.written(b"heic", meta.primary, items, [(b"thmb", small, [meta.primary])])
    upright = decode(data, 160, 160, max_pixels=TOO_MANY).transpose(Image.Transpose.ROTATE_90)
    assert difference(decode(lying, 160, 160, max_pixels=TOO_MANY), upright) < 1


def with_matrix(picture: bytes, matrix: int) -> bytes:
    """The picture with other matrix coefficients in its container."""
    return re.sub(rb"(?<=colrnclx.{4})..", struct.pack(">H", matrix), picture, flags=re.DOTALL)


def test_colors_that_avif_converts_slowly_are_more_work() -> None:
    usual = photo("AVIF")
    works = {matrix: parts(with_matrix(usual, matrix), "AVIF").work for matrix in (0, 1, 2, 4, 5, 6, 7, 8, 9, 12, 999)}
    assert {matrix for matrix, work in works.items() if work == works[1]} == {0, 1, 2, 5, 6, 9}
    assert works[4] == works[8] == works[1] + 5 * 320 * 240
    assert parts(with_matrix(photo("HEIF"), 4), "HEIF").work == parts(photo("HEIF"), "HEIF").work


def test_colors_that_only_the_codec_names_may_be_slow() -> None:
    usual = photo("AVIF")
    unnamed = usual.replace(b"colrnclx", b"freenclx")
    assert parts(unnamed, "AVIF").work == parts(usual, "AVIF").work + 5 * 320 * 240


def test_the_color_profile_is_apart() -> None:
    for image_format in FORMATS:
        profile = bytes(range(200))
        found = parts(photo(image_format, icc_profile=profile), image_format)
        assert found.profile == profile
        assert profile not in found.file


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_grid_is_its_tiles(image_format: str) -> None:
    tile = encoded(scene((128, 128)), image_format, quality=95)
    data = derived(tile, b"grid", 3, (384, 384))
    expected = Image.new("RGB", (384, 384))
    for place in range(9):
        expected.paste(scene((128, 128)), (place % 3 * 128, place // 3 * 128))
    assert difference(decode(data, 96, 96), decode(encoded(expected, "PNG"), 96, 96)) < 3
    one, nine = parts(tile, image_format), parts(data, image_format)
    assert nine.work == 9 * one.work


@pytest.mark.parametrize(
    "make",
    [
        lambda tile: derived(derived(tile, b"grid", 2, (256, 256)), b"grid", 2, (512, 512)),
        lambda tile: derived(tile, b"iovl", 3, (384, 384)),
        lambda tile: derived(tile, b"iden", 1, (128, 128)),
        lambda tile: lying(tile, (64, 64)),
        lambda tile: lying(tile, (128, 64)),
    ],
    ids=["a grid of grids", "overlays", "identity", "a smaller size", "a smaller height"],
)
@pytest.mark.parametrize("image_format", FORMATS)
def test_what_a_container_can_hide_is_refused(image_format: str, make: Callable[[bytes], bytes]) -> None:
    tile = encoded(scene((128, 128)), image_format)
    with pytest.raises(UndecodableImageError, match=image_format):
        decode(make(tile), 32, 32)


@pytest.mark.parametrize("image_format", FORMATS)
def test_pictures_in_one_item_are_counted(image_format: str) -> None:
    tile = photo(image_format)
    assert parts(repeated(tile, 50), image_format).work == 50 * parts(tile, image_format).work
    with pytest.raises(ProblemError, match="too long to decode"):
        decode(repeated(tile, 50), 32, 32, max_pixels=320 * 240 * 10)


def test_a_missing_or_extra_tile_is_an_error() -> None:
    data = derived(encoded(scene((128, 128)), "HEIF"), b"grid", 2, (256, 256))
    for wrong in (b"\0\1\0\1", b"\0\1\1\0", b"\0\1\2\2"):
        with pytest.raises(ValueError, match="tiles"):
            heif.parts(data.replace(b"\0\1\1\1", wrong), "HEIF")


def test_a_picture_of_the_other_codec_is_an_error() -> None:
    for image_format, other in zip(FORMATS, reversed(FORMATS), strict=True):
        with pytest.raises(ValueError, match="codec"):
            heif.parts(photo(image_format), other)


def test_items_share_no_bytes_beyond_the_file() -> None:
    """A hundred tiles of the same megabyte would be decoded as a hundred megabytes."""
    data = derived(encoded(scene((128, 128)), "HEIF", quality=100), b"grid", 10, (1280, 1280))
    meta = boxes.Meta(data)
    first = struct.pack(">I", data.index(meta.data(2)))
    length = struct.pack(">I", len(meta.data(2)))
    table, content = data[: data.index(b"mdat") + 4], meta.data(1) + meta.data(2)
    for name in range(3, 102):
        place = table.index(struct.pack(">IHHH", name, 0, 0, 1)) + 10
        table = table[:place] + first + length + table[place + 8 :]
    shared = table.replace(struct.pack(">I", len(data) - len(table) + 8) + b"mdat", bytes(4) + b"mdat") + content
    with pytest.raises(ValueError, match="more bytes than the file"):
        heif.parts(shared, "HEIF")


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_file_that_is_only_its_start_is_an_error(image_format: str) -> None:
    data = photo(image_format)
    for length in range(12, len(data), 7):
        with pytest.raises(UndecodableImageError):
            decode(data[:length], 8, 8)


def test_too_many_boxes_are_refused() -> None:
    data = photo("HEIF")
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(data[: data[3]] + struct.pack(">I4s", 8, b"free") * (MAX_PARTS + 1), 8, 8)


def test_alpha_that_is_premultiplied_stays_so() -> None:
    data = encoded(transparent_scene(), "AVIF", alpha_premultiplied=True)
    assert b"prem" in data
    assert b"prem" in parts(data, "AVIF").file
    assert is_same(decode(parts(data, "AVIF").file, 8, 8), decode(data, 8, 8))


@pytest.mark.parametrize("kind", [b"irot", b"imir"])
def test_a_picture_is_turned_once(kind: bytes) -> None:
    """Each turn of a large picture takes as long as its decoding."""
    data = photo("HEIF")
    meta = boxes.Meta(data)
    turn = boxes.Property(essential=True, kind=kind, content=memoryview(b"\1"))
    for count in (1, 2):
        item = (b"hvc1", [*meta.properties(meta.primary), *[turn] * count], meta.data(meta.primary))
        turned = boxes.written(b"heic", 1, {1: item}, [])
        if count == 1:
            assert decode(turned, 60, 80).size == (80, 60)
        else:
            with pytest.raises(UndecodableImageError):
                decode(turned, 60, 80)


def test_turning_and_cropping_are_more_work() -> None:
    """16.8 MP took 0.46 s as they are, and 1.02 s turned, mirrored and cropped."""
    data = photo("HEIF")
    meta = boxes.Meta(data)
    works, memories = {}, {}
    for kind in (b"free", b"irot", b"imir", b"clap"):
        change = boxes.Property(essential=False, kind=kind, content=memoryview(bytes(32)))
        item = (b"hvc1", [*meta.properties(meta.primary), change], meta.data(meta.primary))
        found = parts(boxes.written(b"heic", 1, {1: item}, []), "HEIF")
        works[kind], memories[kind] = found.work, found.memory
    usual = works.pop(b"free")
    assert {kind: round((work - usual) / (320 * 240), 2) for kind, work in works.items()} == {
        b"irot": 0.55, b"imir": 0.2, b"clap": 0.45
    }  # fmt: skip
    assert memories[b"clap"] - memories[b"free"] == 2 * 320 * 240


def test_properties_of_megabytes_are_not_copied_for_each_item() -> None:
    """Nine megabytes that 8,000 items share took 5 s."""
    data = photo("HEIF")
    meta = boxes.Meta(data)
    primary = (b"hvc1", meta.properties(meta.primary), meta.data(meta.primary))
    kind = boxes.Property(essential=False, kind=b"auxC", content=memoryview(bytes(3_000_000)))
    items = {1: primary} | {name: (b"hvc1", [kind], b"x") for name in range(2, 2002)}
    large = boxes.written(b"heic", 1, items, [(b"auxl", name, [1]) for name in range(2, 2002)])
    tracemalloc.start()
    try:
        assert list(boxes.Meta(parts(large, "HEIF").file).kinds) == [1]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [b"ispe", b"hvcC"])
def test_without_a_property_that_it_needs_it_is_broken(kind: bytes) -> None:
    data = photo("HEIF")
    meta = boxes.Meta(data)
    left = [one for one in meta.properties(meta.primary) if one.kind != kind]
    without = boxes.written(b"heic", 1, {1: (b"hvc1", left, meta.data(meta.primary))}, [])
    with pytest.raises(UndecodableImageError):
        decode(without, 60, 80)
