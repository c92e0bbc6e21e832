"""Image files of every kind in, pixels or a client error out; the cost of a file is known before it is decoded."""

import io
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import AvifImagePlugin, Image, ImageChops, ImageStat

from serve.errors import ImageTooLargeError, ProblemError, UndecodableImageError, UnsupportedImageTypeError
from serve.model.classifier import Classifier
from serve.model.formats import MAX_PARTS, sniff
from serve.model.preprocess import decode
from tests.serve.model.pictures import difference, encoded, exif_of, is_same, png, png_chunk

SIDE = 160
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
# EXIF 2.32, tag 0x0112: what has to be done to an upright photo to store it with each orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


LOSSLESS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True, "method": 0, "quality": 0},
    "AVIF": {"quality": 100, "speed": 10},
}


@pytest.fixture(scope="module")
def photo(cat_jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(cat_jpeg)).convert("RGB")


@pytest.fixture(scope="module")
def pixels(photo: Image.Image) -> Image.Image:
    """What the photo's own pixels give, with no loss by a format."""
    return decode(encoded(photo, "PNG"), SIDE, SIDE)


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_gives_the_same_photo(photo: Image.Image, pixels: Image.Image, image_format: str) -> None:
    data = encoded(photo, image_format)
    assert sniff(data) == image_format
    result = decode(data, SIDE, SIDE)
    assert (result.mode, result.size) == ("RGB", (SIDE, SIDE))
    assert len(result.tobytes()) == 3 * SIDE * SIDE
    assert difference(result, pixels) < (10 if image_format == "GIF" else 4)


def test_height_comes_before_width(cat_jpeg: bytes) -> None:
    assert decode(cat_jpeg, 30, 50).size == (50, 30)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_all_eight_orientations_get_the_same_answer(
    photo: Image.Image, model_path: Path, image_format: str, orientation: int
) -> None:
    # Sides of whole JPEG blocks: a turned photo is then cut into the same ones.
    upright = photo.resize((448, 304))
    step = STORED[orientation]
    straight = encoded(upright, image_format, **LOSSLESS[image_format])
    turned = encoded(
        upright if step is None else upright.transpose(step),
        image_format,
        exif=exif_of(orientation),
        **LOSSLESS[image_format],
    )
    assert difference(decode(turned, 100, 60), decode(straight, 100, 60)) < 1.5
    classifier = Classifier(model_path)
    one, other = classifier.classify(straight), classifier.classify(turned)
    assert one.label == other.label == "cat"
    assert one.probability == pytest.approx(other.probability, abs=0.01)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_with_broken_exif_stands_as_it_is_stored(photo: Image.Image, image_format: str, exif: bytes) -> None:
    as_stored = decode(encoded(photo, image_format), SIDE, SIDE)
    assert is_same(decode(encoded(photo, image_format, exif=exif), SIDE, SIDE), as_stored)


def test_an_orientation_that_does_not_exist_is_none(photo: Image.Image) -> None:
    as_stored = decode(encoded(photo, "PNG"), SIDE, SIDE)
    assert is_same(decode(encoded(photo, "PNG", exif=exif_of(99)), SIDE, SIDE), as_stored)


def test_a_color_profile_is_left_alone(photo: Image.Image) -> None:
    without = decode(encoded(photo, "PNG"), SIDE, SIDE)
    assert is_same(decode(encoded(photo, "PNG", icc_profile=b"not even a profile"), SIDE, SIDE), without)


def test_the_pixels_that_networks_were_trained_on_stay(photo: Image.Image) -> None:
    """Small JPEGs: draft, a bilinear resize to a fourth more than the result, one to the result, nothing else."""
    for size in ((200, 200), (500, 375), (320, 900)):
        data = encoded(photo.resize(size), "JPEG", quality=92)
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        larger = image.resize((SIDE * 5 // 4, SIDE * 5 // 4), Image.Resampling.BILINEAR)
        assert is_same(decode(data, SIDE, SIDE, with_margin=True), larger)
        assert is_same(decode(data, SIDE, SIDE), larger.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def test_a_photo_of_the_training_set_is_not_resized_on_the_way(photo: Image.Image) -> None:
    """They are 200 x 200, a fourth more than the 160 x 160 of the shipped model."""
    data = encoded(photo.resize((200, 200)), "JPEG", quality=92)
    as_stored = Image.open(io.BytesIO(data)).convert("RGB")
    assert is_same(decode(data, 160, 160, with_margin=True), as_stored)


# Modes


def test_grayscale_becomes_three_equal_channels(photo: Image.Image) -> None:
    for image_format in ("JPEG", "PNG", "GIF", "BMP"):
        result = decode(encoded(photo.convert("L"), image_format), SIDE, SIDE)
        red, green, blue = (channel.tobytes() for channel in result.split())
        assert red == green == blue
        assert ImageStat.Stat(result).stddev[0] > 20


def test_bits_are_averaged() -> None:
    checkers = Image.frombytes("L", (320, 320), (bytes([0, 255] * 160) + bytes([255, 0] * 160)) * 160).convert("1")
    for image_format in ("PNG", "BMP"):
        result = decode(encoded(checkers, image_format), SIDE, SIDE)
        inner = result.crop((10, 10, SIDE - 10, SIDE - 10)).tobytes()
        assert 120 <= min(inner) <= max(inner) <= 135


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "BMP"])
def test_a_palette_is_looked_up_before_the_resize(photo: Image.Image, pixels: Image.Image, image_format: str) -> None:
    assert difference(decode(encoded(photo.quantize(256), image_format), SIDE, SIDE), pixels) < 6


def half_transparent(mode: str) -> Image.Image:
    """Black, its left half transparent."""
    image = Image.new("RGBA", (64, 64), "black")
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    return image.convert(mode)


@pytest.mark.parametrize(
    "data",
    [
        encoded(half_transparent("RGBA"), "PNG"),
        encoded(half_transparent("LA"), "PNG"),
        encoded(half_transparent("RGBA"), "WEBP", lossless=True),
        encoded(half_transparent("RGBA"), "AVIF"),
        encoded(half_transparent("RGBA"), "GIF"),
        encoded(Image.merge("RGB", [half_transparent("RGBA").getchannel("A")] * 3), "PNG", transparency=(0, 0, 0)),
        encoded(half_transparent("RGBA").getchannel("A"), "PNG", transparency=0),
        encoded(half_transparent("RGBA").getchannel("A").convert("1"), "PNG", transparency=0),
    ],
    ids=["RGBA", "LA", "WebP", "AVIF", "GIF", "color key", "gray key", "1-bit key"],
)  # fmt: skip
def test_transparency_is_laid_over_white(data: bytes) -> None:
    result = decode(data, 32, 32)
    assert min(result.crop((0, 0, 14, 32)).tobytes()) > 250
    opaque = result.crop((18, 0, 32, 32)).tobytes()
    # What is opaque keeps its color: black, or the white that the keyed images have there.
    assert max(opaque) < 5 or min(opaque) > 250


def test_a_keyed_palette_shows_white_where_it_is_transparent() -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (8, 0, 16, 16))
    result = decode(encoded(image, "PNG", transparency=0), 16, 16)
    assert result.getpixel((2, 8)) == (255, 255, 255)
    assert result.getpixel((13, 8)) == (0, 0, 200)


def test_cmyk_has_the_colors_of_the_photo(photo: Image.Image, pixels: Image.Image) -> None:
    assert difference(decode(encoded(photo.convert("CMYK"), "JPEG", quality=95), SIDE, SIDE), pixels) < 3


def test_ycck_has_the_colors_of_the_photo(photo: Image.Image, pixels: Image.Image) -> None:
    """As Photoshop writes CMYK: inverted, the first three channels as luma and chroma, and an Adobe marker says so."""
    *cmy, black = photo.convert("CMYK").split()
    luma_chroma = Image.merge("RGB", cmy).convert("YCbCr").split()
    stored = Image.merge("CMYK", [*map(ImageChops.invert, luma_chroma), black])
    data = encoded(stored, "JPEG", quality=95, subsampling=0)
    marker = data.index(b"Adobe")
    ycck = data[: marker + 11] + b"\x02" + data[marker + 12 :]
    assert difference(decode(ycck, SIDE, SIDE), pixels) < 3


def test_16_bit_samples_are_scaled_not_clipped() -> None:
    samples = [(value * 257).to_bytes(2, "big") for value in range(256)]
    gray = (b"\0" + b"".join(samples)) * 4
    color = (b"\0" + b"".join(sample * 3 for sample in samples)) * 4
    for data in (png(256, 4, 16, 0, gray), png(256, 4, 16, 2, color)):
        assert decode(data, 4, 256).getchannel(0).tobytes() == bytes(range(256)) * 4


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_counts(image_format: str) -> None:
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue", "lime")]
    data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert difference(decode(data, 8, 8), Image.new("RGB", (8, 8), "red")) < 3


def test_of_a_phones_several_pictures_the_first_counts(photo: Image.Image) -> None:
    """MPO, with the scale of a JPEG: the same pixels as the first picture alone."""
    large = photo.resize((1600, 1200))
    data = encoded(large, "MPO", save_all=True, append_images=[Image.new("RGB", (1600, 1200))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert is_same(decode(data, SIDE, SIDE), decode(encoded(large, "JPEG"), SIDE, SIDE))


def test_progressive_and_baseline_jpegs_agree(photo: Image.Image) -> None:
    baseline = decode(encoded(photo, "JPEG"), SIDE, SIDE)
    assert is_same(decode(encoded(photo, "JPEG", progressive=True), SIDE, SIDE), baseline)


def bmp(bits: int, rows: bytes, *, height: int = 2, palette: bytes = b"", compression: int = 0) -> bytes:
    """A BMP of 2 pixels a row with the usual 40-byte header; a negative height stores the top row first."""
    header = b"".join(
        value.to_bytes(size, "little", signed=True)
        for value, size in ((40, 4), (2, 4), (height, 4), (1, 2), (bits, 2), (compression, 4), (len(rows), 4))
    ) + bytes(8) + (len(palette) // 4).to_bytes(4, "little") + bytes(4)  # fmt: skip
    offset = 14 + len(header) + len(palette)
    whole = offset + len(rows)
    return b"BM" + whole.to_bytes(4, "little") + bytes(4) + offset.to_bytes(4, "little") + header + palette + rows


RED_BLUE = bytes([0, 0, 255, 255, 0, 0])  # a row of 24-bit pixels, as blue, green, red
PALETTE = bytes([0, 0, 255, 0, 255, 0, 0, 0])  # the same two, with a padding byte each


@pytest.mark.parametrize(
    "data",
    [
        bmp(24, (RED_BLUE + bytes(2)) * 2),
        bmp(24, (RED_BLUE + bytes(2)) * 2, height=-2),
        bmp(32, bytes([0, 0, 255, 0, 255, 0, 0, 0]) * 2),
        bmp(16, bytes([0, 0x7C, 0x1F, 0]) * 2),
        bmp(8, bytes([0, 1, 0, 0]) * 2, palette=PALETTE),
        bmp(4, bytes([0x01, 0, 0, 0]) * 2, palette=PALETTE),
        bmp(1, bytes([0x40, 0, 0, 0]) * 2, palette=PALETTE),
        bmp(8, bytes([1, 0, 1, 1, 0, 0]) * 2 + b"\0\1", palette=PALETTE, compression=1),
    ],
    ids=["24 bits", "top row first", "32 bits", "16 bits", "8 bits", "4 bits", "1 bit", "run lengths"],
)
def test_the_variants_of_bmp(data: bytes) -> None:
    assert decode(data, 2, 2).tobytes() == bytes([255, 0, 0, 0, 0, 255]) * 2


# Types


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"%PDF-1.7", b"II*\0", b"8BPS", b"%!PS-Adobe", b"<svg/>", b"P6 1 1 255 abc", b"SIMPLE  = T",
     b"RIFF\0\0\0\0WAVE", b"\0\0\1\0", b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x18ftypmp42"],
)  # fmt: skip
def test_other_types_are_refused_without_trying(data: bytes) -> None:
    assert sniff(data) is None
    with pytest.raises(UnsupportedImageTypeError, match="send a JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC file"):
        decode(data, SIDE, SIDE)


def test_an_avif_photo_of_a_general_brand_is_taken(photo: Image.Image) -> None:
    data = encoded(photo, "AVIF")
    assert data[8:12] == b"avif"
    general = data[:8] + b"mif1" + data[12:]
    assert is_same(decode(general, SIDE, SIDE), decode(data, SIDE, SIDE))


def test_a_pillow_without_avif_says_so(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo, "AVIF")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    with pytest.raises(UnsupportedImageTypeError):
        decode(data, SIDE, SIDE)


def test_only_the_plugins_that_are_needed_are_imported(cat_jpeg: bytes, root: Path) -> None:
    """All forty would take 30 ms and more of the first request."""
    program = (
        "import io, sys; from PIL import Image; from serve.model.preprocess import decode\n"
        "file = io.BytesIO(sys.stdin.buffer.read())\n"
        "decode(file.getvalue(), 160, 160)\n"
        "print(*sorted(name for name in sys.modules if name.endswith('ImagePlugin')))"
    )
    webp = encoded(Image.open(io.BytesIO(cat_jpeg)), "WEBP")
    run = subprocess.run([sys.executable, "-c", program], input=webp, capture_output=True, cwd=root, check=True)
    assert run.stdout.decode().split() == ["PIL.JpegImagePlugin", "PIL.WebPImagePlugin"]


# Ceilings


def claims(data: bytes, size: tuple[int, int]) -> bytes:
    """A PNG whose header says another size."""
    changed = data[:16] + size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + data[24:]
    return changed[:29] + zlib.crc32(changed[12:29]).to_bytes(4, "big") + changed[33:]


def test_pixels_are_counted_before_they_are_decoded(photo: Image.Image) -> None:
    small = encoded(photo, "PNG")
    for size in ((8001, 6250), (1, 65_501), (65_501, 1), (10_000, 10_000), (60_000, 60_000)):
        with pytest.raises(ImageTooLargeError, match="send a smaller one"):
            decode(claims(small, size), SIDE, SIDE)
    with pytest.raises(UndecodableImageError):  # allowed, and too short for it
        decode(claims(small, (5300, 5400)), SIDE, SIDE)


def test_the_longest_side_is_taken() -> None:
    for image_format in ("PNG", "JPEG"):
        assert decode(encoded(Image.new("L", (65_500, 1)), image_format), 8, 8).size == (8, 8)


def test_the_ceiling_is_exact_and_can_be_set(photo: Image.Image) -> None:
    data = encoded(photo, "JPEG")
    pixels = photo.width * photo.height
    assert decode(data, 15, 15, max_pixels=pixels).size == (15, 15)
    with pytest.raises(ImageTooLargeError, match=f"{photo.width} x {photo.height}.*{pixels - 1:,}"):
        decode(data, 15, 15, max_pixels=pixels - 1)


def share(data: bytes, side: int = 16) -> int:
    """The least `max_pixels`, in thousands, with which a photo of a megapixel is taken."""

    def taken(thousands: int) -> bool:
        try:
            decode(data, side, side, max_pixels=thousands * 1000)
        except ImageTooLargeError:
            return False
        return True

    return next(thousands for thousands in range(980, 4001, 20) if taken(thousands))


def megapixel(mode: str, size: tuple[int, int] = (1000, 1000)) -> Image.Image:
    return Image.new(mode, size)


@pytest.mark.parametrize(
    ("data", "thousands"),
    [
        (encoded(megapixel("RGB"), "JPEG"), 980),
        (encoded(megapixel("L"), "JPEG"), 980),
        (encoded(megapixel("CMYK"), "JPEG"), 1300),
        (encoded(megapixel("RGB", (15_625, 64)), "JPEG"), 1120),  # 1/2 scale
        (encoded(megapixel("RGB", (50_000, 20)), "JPEG"), 1600),  # cannot be scaled down
        (encoded(megapixel("RGB", (15_625, 64)), "JPEG", progressive=True)[:-2], 1120),  # decoded twice, in turn
        (encoded(megapixel("RGB", (50_000, 20)), "MPO", save_all=True, append_images=[megapixel("RGB")]), 1600),
        (encoded(megapixel("RGB"), "PNG"), 1725),
        (encoded(megapixel("P"), "GIF"), 980),
        (encoded(megapixel("RGBA"), "PNG"), 2900),
        (encoded(megapixel("P"), "PNG", transparency=0), 1920),
        (encoded(megapixel("RGB"), "WEBP"), 2960),
        (encoded(megapixel("RGB"), "AVIF"), 2280),
    ],
    ids=[
        "JPEG",
        "gray",
        "CMYK",
        "flat",
        "flatter",
        "no end marker",
        "MPO",
        "PNG",
        "GIF",
        "RGBA",
        "palette",
        "WebP",
        "AVIF",
    ],
)
def test_what_takes_more_memory_gets_a_share_of_the_ceiling(data: bytes, thousands: int) -> None:
    assert share(data) == pytest.approx(thousands, abs=25)


def test_pillows_own_ceiling_is_a_client_error_too(photo: Image.Image) -> None:
    """A frame may be larger than the GIF around it: that is known only inside Pillow."""
    data = encoded(photo.quantize(4), "GIF")
    frame = data.index(b",", 13 + 3 * 4)
    for side in (10_000, 60_000):  # the first is only warned of
        wide = data[: frame + 5] + side.to_bytes(2, "little") * 2 + data[frame + 9 :]
        with pytest.raises(ImageTooLargeError):
            decode(wide, SIDE, SIDE, max_pixels=10**9)


def test_pillows_warning_of_a_bomb_is_an_error_in_a_process_of_its_own(root: Path) -> None:
    program = (
        "import serve.model.preprocess, warnings; from PIL import Image; "
        "warnings.warn('', Image.DecompressionBombWarning)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=root, check=False)
    assert run.returncode == 1
    assert b"DecompressionBombWarning" in run.stderr


def jpeg_with(segments: bytes) -> bytes:
    data = encoded(Image.new("RGB", (16, 16)), "JPEG")
    return data[:2] + segments + data[2:]


def gif_with(blocks: bytes) -> bytes:
    data = encoded(Image.new("P", (16, 16)), "GIF")
    frame = data.index(b",", 13)
    return data[:frame] + blocks + data[frame:]


PIXEL_ROW = bytes([0, 1, 2, 3])


@pytest.mark.parametrize(
    "make",
    [
        lambda count: jpeg_with(b"\xff\xe9\0\x02" * count),
        lambda count: jpeg_with(b"\xff\xfe\0\x03a" * count),
        lambda count: jpeg_with(b"\xff\xe1\0\x09Exif\0\0a" * count),
        lambda count: gif_with(b"!\xfe\x02ab\0" * count),
        lambda count: gif_with(b"!\xfe" + b"\x02ab" * count + b"\0"),
        lambda count: png(1, 1, 8, 2, PIXEL_ROW, before=png_chunk(b"prVt", b"") * count),
        lambda count: png(1, 1, 8, 2, PIXEL_ROW, before=png_chunk(b"tEXt", b"a\0b") * count),
    ],
    ids=["segments", "comments", "EXIF", "GIF comments", "GIF sub-blocks", "PNG chunks", "PNG texts"],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_a_file_of_too_many_parts_is_refused(make: Callable[[int], bytes]) -> None:
    """Each costs Pillow time and memory, some in proportion to the square: 10 MB of EXIF segments took 31 s."""
    assert decode(make(500), 8, 8).size == (8, 8)
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(make(20_000), 8, 8)


def test_a_large_honest_header_is_taken(photo: Image.Image) -> None:
    """A color profile of 3 MB takes 46 segments."""
    assert decode(encoded(photo, "JPEG", icc_profile=bytes(3_000_000)), 8, 8).size == (8, 8)


@pytest.mark.parametrize(("length", "refused"), [(64, False), (16, True)])
def test_pixels_in_small_chunks_are_taken_up_to_a_number(length: int, refused: bool) -> None:
    rows = zlib.compress(bytes(901 * 300), 0)
    whole = png(300, 300, 8, 2, b"")
    start = whole.index(b"IDAT") - 4
    chunks = b"".join(png_chunk(b"IDAT", rows[at : at + length]) for at in range(0, len(rows), length))
    assert (chunks.count(b"IDAT") > MAX_PARTS) is refused
    data = whole[:start] + chunks + png_chunk(b"IEND", b"")
    if refused:
        with pytest.raises(UndecodableImageError, match="too many parts"):
            decode(data, 8, 8)
    else:
        assert not any(decode(data, 8, 8).tobytes())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("image_format", "size", "mode", "options"),
    [
        ("JPEG", (8000, 6250), "RGB", {"progressive": True, "subsampling": 0}),
        ("PNG", (4000, 3900), "RGB", {"transparency": (1, 2, 3), "compress_level": 1}),
        ("WEBP", (4800, 3500), "RGB", {"method": 0, "quality": 5}),
    ],
    ids=["JPEG", "PNG", "WebP"],
)
def test_the_worst_photo_that_is_taken_stays_below_400_mb(
    root: Path, image_format: str, size: tuple[int, int], mode: str, options: dict[str, Any]
) -> None:
    data = encoded(Image.linear_gradient("L").resize(size).convert(mode), image_format, **options)
    assert 150_000 < peak_kilobytes(root, data) < 400_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worst_photo_that_lacks_its_end_marker_stays_below_400_mb_too(root: Path) -> None:
    """It is decoded twice, and so wide that it cannot be scaled down."""
    gray = Image.linear_gradient("L").resize((62_000, 400)).convert("RGB")
    data = encoded(gray, "JPEG", progressive=True, subsampling=0, quality=5)
    assert 150_000 < peak_kilobytes(root, data[:-2]) < 400_000


def peak_kilobytes(root: Path, photo: bytes) -> int:
    """The most memory of a process that classifies the photo."""
    program = (
        "import sys; from pathlib import Path; from serve.model.classifier import Classifier\n"
        "Classifier(Path('models/cats_dogs.tflite')).classify(sys.stdin.buffer.read())\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])"
    )
    run = subprocess.run([sys.executable, "-c", program], input=photo, capture_output=True, cwd=root, check=True)
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_photo_of_a_camera_is_never_in_memory_at_its_full_size(root: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from serve.model import preprocess\n"
        "def peak(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "data = sys.stdin.buffer.read(); preprocess.decode(Path('examples/cat.jpg').read_bytes(), 160, 160)\n"
        "before = peak(); preprocess.decode(data, 160, 160); print(peak() - before)"
    )
    data = encoded(Image.linear_gradient("L").resize((4000, 3000)).convert("RGB"), "JPEG")
    run = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, cwd=root, check=True)
    assert int(run.stdout) < 8_000  # its pixels take 36,000 kB


# Broken files


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files_are_errors(photo: Image.Image, image_format: str, part: float) -> None:
    data = encoded(photo, image_format)
    with pytest.raises(UndecodableImageError, match=image_format):
        decode(data[: int(len(data) * part)], SIDE, SIDE)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"RIFF\0\0\0\0WEBP",
        b"\0\0\0\x1cftypavif",
        png(1, 1, 8, 2, b""),
        png(0, 0, 8, 2, b""),
        png(1, 1, 8, 3, b"\0\0"),  # a palette image without its palette: undefined, but not our fault
    ],
)
def test_hardly_more_than_a_beginning_is_a_client_error(data: bytes) -> None:
    try:
        assert decode(data, 8, 8).size == (8, 8)
    except ProblemError as problem:
        assert problem.status == 422  # noqa: PT017  (either is right)


@pytest.mark.parametrize(
    "kind", [b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"fcTL", b"pHYs", b"cHRM", b"tRNS", b"eXIf", b"IHDR"]
)
@pytest.mark.parametrize("content", [b"", b"\0", b"a\0", b"\xff" * 40])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_odd_chunks_after_the_pixels_are_no_fault_of_ours(kind: bytes, content: bytes) -> None:
    """An empty iCCP there is an IndexError inside Pillow."""
    data = png(1, 1, 8, 2, PIXEL_ROW)
    end = data.index(b"IEND") - 4
    try:
        decode(data[:end] + png_chunk(kind, content) + data[end:], 8, 8)
    except ProblemError as problem:
        assert problem.status == 422  # noqa: PT017


def test_running_out_of_memory_is_the_photos_fault(photo: Image.Image, root: Path) -> None:
    """In a process with less memory than the photo takes."""
    program = (
        "import resource, sys; from serve.errors import ProblemError; from serve.model.preprocess import decode\n"
        "data = sys.stdin.buffer.read()\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000,) * 2)\n"
        "try: decode(data, 160, 160)\n"
        "except ProblemError as problem: print(problem.status, type(problem.__cause__).__name__)"
    )
    data = encoded(Image.new("RGB", (5300, 5300)), "PNG", compress_level=1)
    run = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, cwd=root, check=True)
    assert run.stdout.decode().split() == ["422", "MemoryError"]


def test_what_a_client_hears_says_nothing_of_the_inside(photo: Image.Image) -> None:
    with pytest.raises(UndecodableImageError) as caught:
        decode(encoded(photo, "PNG")[:1000], SIDE, SIDE)
    expected = "The PNG image cannot be decoded: it is broken, truncated, or of a variant that is not supported."
    assert caught.value.detail == expected


def test_decoding_changes_no_warning_filters(cat_jpeg: bytes) -> None:
    before = list(warnings.filters)
    decode(cat_jpeg, SIDE, SIDE)
    assert warnings.filters == before
