"""HEIC, as phones write it: upright once, 8 and 10 bits, with alpha, within the limits."""

import io
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from serve.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageTypeError
from serve.model import decoders
from serve.model.preprocess import decode
from tests.serve.model.pictures import difference, encoded, exif_of, scene

pillow_heif.register_heif_opener()
SIZE = (320, 240)


def heic(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "HEIF", **{"quality": 90, "enc_params": {"preset": "ultrafast"}, **options})


def test_a_photo_is_the_photo() -> None:
    image = scene(SIZE)
    assert difference(decode(heic(image), 60, 80), decode(encoded(image, "PNG"), 60, 80)) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_once(orientation: int) -> None:
    """The encoder stores what EXIF says as the container's rotation and mirror, as phones do."""
    image = scene(SIZE)
    stored = image.copy()
    stored.info["exif"] = exif_of(orientation).tobytes()
    turned = heic(stored)
    assert (b"irot" in turned or b"imir" in turned) is (orientation != 1)
    expected = decode(encoded(image, "PNG", exif=exif_of(orientation)), 60, 80)
    assert difference(decode(turned, 60, 80), expected) < 4


def test_an_orientation_in_exif_alone_is_not_obeyed() -> None:
    """ISO/IEC 23008-12, 7.2: the container's rotation counts."""
    data = heic(scene(SIZE), exif=exif_of(6))
    assert b"irot" not in data
    assert difference(decode(data, 60, 80), decode(heic(scene(SIZE)), 60, 80)) == 0


def test_ten_bits() -> None:
    samples = [(x * 65_535 // SIZE[0]).to_bytes(2, "little") * 3 for x in range(SIZE[0])]
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=SIZE, data=b"".join(samples) * SIZE[1]).save(file, quality=90)
    assert pillow_heif.open_heif(file).info["bit_depth"] == 10
    result = decode(file.getvalue(), 60, 80).convert("L").tobytes()
    for x in (2, 20, 40, 60, 77):
        assert abs(result[30 * 80 + x] - (x + 0.5) * 255 / 80) < 4


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", SIZE, "black")
    image.paste((0, 0, 0, 0), (0, 0, 160, 240))
    result = decode(heic(image), 60, 80)
    assert min(result.crop((0, 0, 36, 60)).tobytes()) > 245
    assert max(result.crop((44, 0, 80, 60)).tobytes()) < 10


def test_premultiplied_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", SIZE, (200, 40, 20, 255))
    image.paste((200, 40, 20, 128), (160, 0, 320, 240))
    image.paste((0, 0, 0, 0), (0, 0, 160, 240))
    file = io.BytesIO()
    pillow_heif.from_bytes("RGBa", SIZE, image.convert("RGBa").tobytes()).save(file, quality=90)
    result = decode(file.getvalue(), 60, 80)
    assert min(result.crop((0, 0, 36, 60)).tobytes()) > 245
    assert difference(result.crop((44, 0, 80, 60)), Image.new("RGB", (36, 60), (227, 147, 137))) < 4


def test_of_several_pictures_the_primary_counts() -> None:
    blue = Image.new("RGB", SIZE, "blue")
    data = heic(scene(SIZE), save_all=True, append_images=[blue])
    assert difference(decode(data, 60, 80), decode(heic(scene(SIZE)), 60, 80)) < 1


def test_pixels_are_counted_before_they_are_decoded() -> None:
    data = heic(scene(SIZE))
    assert decode(data, 8, 8, max_pixels=320 * 240 * 4).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="320 x 240"):
        decode(data, 8, 8, max_pixels=320 * 240)
    claimed = data.replace((320).to_bytes(4, "big") + (240).to_bytes(4, "big"), (30_000).to_bytes(4, "big") * 2)
    with pytest.raises((ImageTooLargeError, UndecodableImageError)):
        decode(claimed, 8, 8)


@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.9])
def test_a_truncated_photo_is_an_error(part: float) -> None:
    data = heic(scene(SIZE))
    with pytest.raises(UndecodableImageError, match="HEIF"):
        decode(data[: int(len(data) * part)], 8, 8)


def test_where_the_decoder_is_not_installed_the_client_hears_of_other_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(decoders._CLASSES, "HEIF", ("no_such_package", "HeifImageFile"))
    with pytest.raises(UnsupportedImageTypeError):
        decode(heic(scene(SIZE)), 8, 8)


def test_it_is_loaded_with_the_first_such_photo(root: Path) -> None:
    program = (
        "import sys; from serve.model.preprocess import decode; data = sys.stdin.buffer.read()\n"
        "before = 'pi_heif' in sys.modules; decode(data, 8, 8); print(before, 'pi_heif' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input=heic(scene(SIZE)), capture_output=True, cwd=root, check=True
    )
    assert run.stdout.split() == [b"False", b"True"]
