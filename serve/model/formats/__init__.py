"""What an image file is, and which of its parts the pixels need.

A decoder is given nothing else: no comments, no texts, no thumbnails, no animation. What a file holds of these costs
nothing, whatever it is. EXIF and the color profile are read by this project's own code, within its own limits.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from serve.errors import UndecodableImageError

MAX_PARTS: Final = 10_000
"""Segments, chunks or blocks. A photo of 10 MB has about 200; encoders that write small chunks make 1,300."""

HEADER_BYTES: Final = 64
"""From the start of a file: as many as `sniff` looks at."""

MAX_PROFILE_BYTES: Final = 2_000_000
"""Of an ICC profile, inflated. Those of phones have 500, those of printing presses up to a million."""

_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
# ISO/IEC 23008-12, annex B, and the AVIF specification, section 6: "mif1" and "msf1" may be either.
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_EITHER_BRANDS: Final = frozenset({b"mif1", b"msf1"})


class Parts(NamedTuple):
    """What is used of a file.

    Attributes:
        file: for the decoder.
        exif: from the TIFF header on; empty if there is none.
        profile: the ICC profile; empty if there is none.
        work: what decoding takes: a JPEG's pixels in all of its scans, the bytes of a PNG's, HEIC's or AVIF's pixels,
            a WebP's pixels and their alpha. 0: the header's pixels.
        memory: what decoding takes at its peak, in bytes; 0: by the header's pixels.
    """

    file: bytes
    exif: bytes = b""
    profile: bytes = b""
    work: int = 0
    memory: int = 0


_Part = TypeVar("_Part")


class PartCount:
    """Counts the parts of one file, in whichever of its tables and pictures they stand."""

    def __init__(self) -> None:
        self._left = MAX_PARTS

    def add(self, parts: int = 1) -> None:
        """Count some more.

        Raises:
            UndecodableImageError: they are more than `MAX_PARTS`.
        """
        self._left -= parts
        if self._left < 0:
            raise too_many_parts()

    def each(self, parts: Iterable[_Part]) -> Iterator[_Part]:
        """The parts, each counted.

        Raises:
            UndecodableImageError: as `add`.
        """
        for part in parts:
            self.add()
            yield part


class Coded(NamedTuple):
    """What a video codec makes of a coded picture.

    Attributes:
        width, height: in pixels.
        samples: bytes a pixel.
        pictures: how many of these there are.
    """

    width: int
    height: int
    samples: float
    pictures: int

    def work(self) -> float:
        """Bytes of all pictures, in blocks of 64 x 64 pixels: codecs decode whole ones."""
        return (self.width + 63 & ~63) * (self.height + 63 & ~63) * self.samples * self.pictures


def sniff(data: bytes) -> str | None:
    """The format that the first bytes tell, by Pillow's name, or None. Names and types are not trusted."""
    for start, image_format in _MAGIC.items():
        if data.startswith(start):
            return image_format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return _sniff_heif(data) if data[4:8] == b"ftyp" else None


def _sniff_heif(data: bytes) -> str | None:
    brand = data[8:12]
    if brand in _AVIF_BRANDS or (brand in _EITHER_BRANDS and b"avif" in data[16:HEADER_BYTES]):
        return "AVIF"
    return "HEIF" if brand in _HEIF_BRANDS | _EITHER_BRANDS else None


def parts(data: bytes, image_format: str) -> Parts:
    """The parts of a file of this format that its pixels need.

    Raises:
        UndecodableImageError: its structure is broken, or of a variant that is refused.
    """
    if image_format == "JPEG":
        from serve.model.formats import jpeg

        return jpeg.parts(data)
    if image_format == "PNG":
        from serve.model.formats import png

        return png.parts(data)
    if image_format == "GIF":
        from serve.model.formats import gif

        return gif.parts(data)
    if image_format == "WEBP":
        from serve.model.formats import webp

        return webp.parts(data)
    if image_format == "BMP":
        from serve.model.formats import bmp

        return bmp.parts(data)
    from serve.model.formats import heif

    return heif.parts(data, image_format)


def thumbnail(data: bytes, image_format: str, least: int) -> Parts | None:
    """A HEIC's or AVIF's thumbnail of at least so many pixels on each side. None: there is none.

    Raises:
        UndecodableImageError: it is of a variant that is refused.
    """
    if image_format not in ("HEIF", "AVIF"):
        return None
    from serve.model.formats import heif

    return heif.thumbnail(data, image_format, least)


def broken(image_format: str) -> UndecodableImageError:
    """The error for a file that cannot be decoded, where the cause is not known."""
    return UndecodableImageError(
        f"The {image_format} image cannot be decoded: it is broken, truncated, or of a variant that is not supported."
    )


def too_many_parts() -> UndecodableImageError:
    """The error for a file of more than `MAX_PARTS`."""
    return UndecodableImageError("The image consists of too many parts: open it in an image editor and save it again.")
