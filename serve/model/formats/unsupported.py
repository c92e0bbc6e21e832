"""What a file is that is not a supported image, by its first bytes, and what its owner can do."""

from typing import Final

SUPPORTED: Final = "JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC"
_KINDS: Final = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"II*\0": "a TIFF image or a camera's raw image",
    b"MM\0*": "a TIFF image or a camera's raw image",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"\0\0\1\0": "an icon",
    b"\x1a\x45\xdf\xa3": "a video",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"{": "JSON",
}
_VIDEO_BRANDS: Final = (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  ", b"3gp")
_LOOKED_AT: Final = 1000  # bytes, for the start of an HTML page or an SVG


def advice(data: bytes) -> str:
    """The message for a client that sent a file of no supported format."""
    kind = _kind(data)
    if kind is None:
        return f"The file is not an image of a supported format: send a {SUPPORTED} file."
    if kind == "":
        return f"The file is empty: send a {SUPPORTED} file."
    return f"The file is {kind}: send a {SUPPORTED} file."


def _kind(data: bytes) -> str | None:
    """What the file is; "" if it is empty, None if that is not known."""
    if not data:
        return ""
    text = data[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text):
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page, not an image"
    if data[4:8] == b"ftyp" and data[8:12].startswith(_VIDEO_BRANDS):
        return "a video"
    if data[:4] == b"RIFF" and data[8:12] in (b"AVI ", b"WAVE"):
        return "a video" if data[8:12] == b"AVI " else "a sound"
    return next((kind for start, kind in _KINDS.items() if data.startswith(start)), None)
