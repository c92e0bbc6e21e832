"""What a client reads that sent something else than a supported image."""

import pytest

from serve.errors import UnsupportedImageTypeError
from serve.model.preprocess import decode


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>not found</body></html>", "an HTML page, not an image"),
        (b"\xef\xbb\xbf\r\n <HTML>", "an HTML page, not an image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- by hand --><svg>', "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a video"),
        (b"\x1a\x45\xdf\xa3\x01", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"II*\0\x08\0\0\0", "a TIFF image or a camera's raw image"),
        (b"MM\0*\0\0\0\x08", "a TIFF image or a camera's raw image"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"PK\3\4", "a ZIP archive"),
    ],
)
def test_the_kind_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedImageTypeError, match=f"The file is {kind}: send a JPEG"):
        decode(data, 8, 8)


@pytest.mark.parametrize("data", [b"some text", b"<?xml version='1.0'?><feed>", b"\0" * 100])
def test_an_unknown_kind_is_not_guessed(data: bytes) -> None:
    with pytest.raises(UnsupportedImageTypeError, match="The file is not an image of a supported format"):
        decode(data, 8, 8)
