"""HEIC and AVIF (ISO/IEC 23008-12): the items that make the primary picture, in a file of their own.

Decoders believe the codec, not the container: a file of 2 kB that says 64 x 64 can hold a picture of 16,384 x 16,384,
or the same picture 65,536 times. So sizes are read from the coded pictures. Overlays, pictures that are derived from
derived ones, and tracks are not supported: cameras and browsers need none of them.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from serve.model.formats import MAX_PROFILE_BYTES, Coded, PartCount, Parts, av1, boxes, hevc

_CODED: Final = {"HEIF": b"hvc1", "AVIF": b"av01"}
_NEEDED: Final = frozenset({b"hvcC", b"av1C", b"ispe", b"pixi", b"irot", b"imir", b"clap", b"auxC"})
# ISO/IEC 23000-22, 7.3.6.7: each at most once. The work of a pixel in libheif, which copies the picture for each.
_TURNS: Final = {b"irot": 0.55, b"imir": 0.2, b"clap": 0.45}
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_LONGEST_KIND: Final = 100  # bytes: a property can have megabytes, and belong to thousands of items
_PROFILES: Final = (b"prof", b"rICC")
_FAST_MATRICES: Final = frozenset({0, 1, 2, 5, 6, 9})
"""Matrix coefficients (ITU-T H.273, table 4) that libavif converts to RGB with SIMD, or does not need to convert."""
_SLOW_WORK: Final = 5  # bytes a pixel whose decoding takes as long as the conversion with any others

_ROUNDED: Final = 2  # pixels that a thumbnail may be too long
_LARGEST_BLOCK: Final = 64  # coded pictures are whole blocks, of which a part is cut off

# What decoding takes at its peak, in bytes a pixel, and more for each coded byte a pixel: measured.
_MEMORY: Final = {"HEIF": (4.5, 2.05), "AVIF": (8.2, 2.0)}
_CROPPED: Final = 2.0  # more, for the copy


class _Item(NamedTuple):
    kind: bytes
    data: bytes
    properties: list[boxes.Property]

    def property(self, kind: bytes) -> bytes:
        """Its content; empty if the item lacks it."""
        return _content(self.properties, kind)

    def size(self) -> tuple[int, int]:
        """Width and height, as the container says."""
        return _size(self.properties)


class _Items(dict[int, _Item]):
    """The items that are needed, read when they are asked for."""

    def __init__(self, meta: boxes.Meta, most_bytes: int) -> None:
        super().__init__()
        self._meta, self._bytes_left = meta, most_bytes
        self._units = PartCount()

    def __missing__(self, name: int) -> _Item:
        needed = [one for one in self._meta.properties(name) if one.kind in _NEEDED or _is_nclx(one)]
        if any(sum(one.kind == kind for one in needed) > 1 for kind in _TURNS):
            raise ValueError("a picture is turned or cropped twice")
        item = _Item(self._meta.kinds[name], self._meta.data(name), needed)
        self._bytes_left -= len(item.data) + sum(len(one.content) for one in needed)
        if self._bytes_left < 0:  # pieces of the file that are used again and again
            raise ValueError("the items have more bytes than the file")
        self[name] = item
        return item

    def coded(self, name: int, image_format: str) -> Coded:
        """What the decoder makes of a coded item, which must be what the container says."""
        item = self[name]
        if item.kind != _CODED[image_format]:
            raise ValueError("a picture of another codec, or derived in another way than from tiles")
        if image_format == "AVIF":
            coded = av1.coded(item.data, self._units)
        else:
            coded = hevc.coded(item.property(b"hvcC"), item.data, self._units)
        width, height = item.size()
        if coded.width >= width + _LARGEST_BLOCK or coded.height >= height + _LARGEST_BLOCK:
            raise ValueError("the coded picture is larger than the container says")
        return coded


class _Cost(NamedTuple):
    """What decoding a picture takes: the pixels of its canvas, coded bytes a pixel, and coded bytes in all."""

    pixels: int
    samples: float
    work: float


def parts(data: bytes, image_format: str) -> Parts:
    """The primary picture and its alpha; the color profile apart.

    Raises:
        UndecodableImageError: it consists of too many parts.
        EOFError, LookupError, ValueError, struct.error: it is broken, or of a variant that is not supported.
    """
    meta = boxes.Meta(data)
    return _parts(meta, _Items(meta, 2 * len(data)), [meta.primary, *_alpha(meta)], image_format)


def thumbnail(data: bytes, image_format: str, least: int) -> Parts | None:
    """The largest thumbnail of the primary picture; None if none has its shape, and `least` pixels on each side.

    Raises:
        As `parts`.
    """
    meta = boxes.Meta(data)
    whole = _size(meta.properties(meta.primary))
    sizes = {name: _size(meta.properties(name)) for name in meta.referring(b"thmb", meta.primary)}
    found = [name for name, size in sizes.items() if min(size) >= least and _has_shape(size, whole)]
    if not found:
        return None
    return _parts(meta, _Items(meta, 2 * len(data)), [max(found, key=sizes.__getitem__)], image_format)


def _has_shape(size: tuple[int, int], whole: tuple[int, int]) -> bool:
    """Whether it is that of the whole, but for what was rounded."""
    return abs(size[0] * whole[1] - size[1] * whole[0]) <= _ROUNDED * max(whole)


def _parts(meta: boxes.Meta, items: _Items, pictures: list[int], image_format: str) -> Parts:
    """A picture, with its alpha if there is one, in a file of its own."""
    costs = [_cost(meta, items, name, image_format) for name in pictures]
    profile = next((bytes(one.content[4:]) for one in meta.properties(pictures[0]) if _is_profile(one)), b"")
    file = _written(meta, items, pictures, image_format)
    a_pixel, a_sample = _MEMORY[image_format]
    pixels = max(cost.pixels for cost in costs)
    item = items[pictures[0]]
    work = sum(cost.work for cost in costs) + _work_after_decoding(item, image_format) * pixels
    if image_format == "HEIF" and item.property(b"clap"):
        a_pixel += _CROPPED
    memory = pixels * (a_pixel + a_sample * sum(cost.samples for cost in costs))
    return Parts(file, profile=profile, work=round(work), memory=round(memory))


def _size(properties: Sequence[boxes.Property]) -> tuple[int, int]:
    """Width and height, as the container says."""
    width, height = struct.unpack_from(">II", next((one.content for one in properties if one.kind == b"ispe"), b""), 4)
    return width, height


def _content(properties: Sequence[boxes.Property], kind: bytes) -> bytes:
    """Of the property of that kind; empty if there is none."""
    return next((bytes(one.content) for one in properties if one.kind == kind), b"")


def _is_profile(one: boxes.Property) -> bool:
    return one.kind == b"colr" and bytes(one.content[:4]) in _PROFILES and len(one.content) <= MAX_PROFILE_BYTES


def _is_nclx(one: boxes.Property) -> bool:
    return one.kind == b"colr" and bytes(one.content[:4]) == b"nclx"


def _alpha(meta: boxes.Meta) -> list[int]:
    """The auxiliary picture that is the primary one's alpha; there are others, of depth and of gain."""
    found = meta.referring(b"auxl", meta.primary)
    kinds = {
        name: [one.content[4:_LONGEST_KIND] for one in meta.properties(name) if one.kind == b"auxC"] for name in found
    }
    return [name for name in found if any(bytes(kind).startswith(_ALPHA) for kind in kinds[name])][:1]


def _cost(meta: boxes.Meta, items: _Items, name: int, image_format: str) -> _Cost:
    item = items[name]
    width, height = item.size()
    if item.kind != b"grid":
        coded = items.coded(name, image_format)
        return _Cost(width * height, coded.samples, coded.work())
    tiles = meta.references(b"dimg", name)
    rows, columns, *size = struct.unpack_from(">BBII" if item.data[1] & 1 else ">BBHH", item.data, 2)
    if len(tiles) != (rows + 1) * (columns + 1) or size != [width, height]:
        raise ValueError("the tiles do not make the grid")
    by_name = {tile: items.coded(tile, image_format) for tile in set(tiles)}
    largest = max(coded.width * coded.height for coded in by_name.values())
    samples, work = max(coded.samples for coded in by_name.values()), sum(by_name[tile].work() for tile in tiles)
    return _Cost(width * height + largest, samples, work)


def _work_after_decoding(item: _Item, image_format: str) -> float:
    """What turning a pixel, and its conversion to RGB, take more than usual.

    Of an item that names no matrix, the codec's counts, which can be any.
    """
    if image_format == "HEIF":
        return sum(work for kind, work in _TURNS.items() if item.property(kind))
    matrix = int.from_bytes(item.property(b"colr")[8:10] or b"\xff", "big")
    return 0 if matrix in _FAST_MATRICES else _SLOW_WORK


def _written(meta: boxes.Meta, items: _Items, pictures: list[int], image_format: str) -> bytes:
    """A file of these items."""
    references = [(b"dimg", name, tiles) for name in pictures if (tiles := meta.references(b"dimg", name))]
    references += [(b"auxl", name, pictures[:1]) for name in pictures[1:]]
    if pictures[1:] and meta.references(b"prem", pictures[0]):
        references.append((b"prem", pictures[0], pictures[1:]))
    brand = b"avif" if image_format == "AVIF" else b"heic"
    stored = {name: (item.kind, item.properties, item.data) for name, item in items.items()}
    return boxes.written(brand, pictures[0], stored, references)
