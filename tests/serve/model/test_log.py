"""Nothing that a photo holds is written to the log."""

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from tests.serve.model.pictures import encoded, png, png_chunk

# 60,000 entries of a type that does not exist, of a size beyond the file.
DIRECTORY = b"II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + struct.pack("<HHII", 0x0100, 99, 1 << 31, 1 << 31) * 60_000
register_heif_opener()
SMALL = Image.new("RGB", (64, 48))


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(SMALL, "JPEG", exif=b"Exif\0\0" + DIRECTORY[:60_000]),
        lambda: encoded(SMALL, "WEBP", exif=DIRECTORY),
        lambda: encoded(SMALL, "AVIF", exif=b"Exif\0\0" + DIRECTORY),
        lambda: png(1, 1, 8, 2, bytes(4), before=png_chunk(b"eXIf", DIRECTORY)),
        lambda: png(1, 1, 8, 2, bytes(4), before=png_chunk(b"iCCP", b"a\0\0" + bytes(50))),
        lambda: encoded(SMALL, "GIF") + b"!\xff" * 1000,
        lambda: encoded(SMALL, "HEIF", exif=b"Exif\0\0" + DIRECTORY[:60_000]),
        lambda: encoded(SMALL, "HEIF")[:-100] + bytes(range(100)),
        lambda: encoded(SMALL, "AVIF")[:-100] + bytes(range(100)),
        lambda: encoded(SMALL, "BMP")[:-100],
        lambda: b"II*\0" + DIRECTORY,
    ],
    ids=[
        "JPEG",
        "WebP",
        "AVIF",
        "PNG",
        "PNG, profile",
        "GIF",
        "HEIC",
        "HEIC, broken",
        "AVIF, broken",
        "BMP, broken",
        "TIFF",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # AVIF's encoder reads what it is given
def test_a_broken_directory_writes_nothing(root: Path, make: Callable[[], bytes]) -> None:
    program = (
        "import contextlib, sys; from serve.errors import ProblemError; from serve.model.preprocess import decode\n"
        "with contextlib.suppress(ProblemError): decode(sys.stdin.buffer.read(), 8, 8)"
    )
    run = subprocess.run([sys.executable, "-c", program], input=make(), capture_output=True, cwd=root, check=True)
    assert (run.stdout, run.stderr) == (b"", b"")
