"""Files made to cost: for each format, the kinds that take a decoder longest or fill most memory for their bytes.

Each stands at or just below what `serve.model.limits` allows, or is of a kind that once passed and is now refused.
"""

import io
import random
import struct
from collections.abc import Callable
from typing import Any, Final

from PIL import Image

from benchmarks.robustness import corpus, costly_png, derived
from benchmarks.robustness.corpus import encoded
from benchmarks.robustness.lossless import lossless_webp

MAX_BYTES: Final = 10_000_000
"""What an upload may have."""
_LARGEST: Final = (8000, 6250)

Make = Callable[[], bytes]


def files() -> dict[str, Make]:
    """Makers by "format: kind"; a file is made when it is asked for, as some take seconds."""
    return {
        f"{image_format}: {kind}": make
        for image_format, kinds in (
            ("JPEG", _jpegs()), ("PNG", costly_png.files(_LARGEST)), ("GIF", _gifs()), ("BMP", _bmps()),
            ("WebP", _webps()), ("AVIF", _avifs()), ("HEIC", _heics()), ("profile", _profiles()),
        )
        for kind, make in kinds.items()
    }  # fmt: skip


def noise(mode: str, size: tuple[int, int], strength: float = 1.0) -> Image.Image:
    """A picture that does not compress; at less strength, one on a slope that compresses somewhat."""
    width, height = size
    bands = len(Image.new(mode, (1, 1)).getbands())
    strip = Image.frombytes(mode, (width, 64), random.Random(1).randbytes(width * 64 * bands))  # noqa: S311  (to be repeatable)
    image = Image.new(mode, size)
    for top in range(0, height, 64):
        image.paste(strip, (0, top))
    if strength == 1.0:
        return image
    slope = Image.merge(mode, [Image.linear_gradient("L").resize(size)] * bands)
    return Image.blend(slope, image, strength)


def _jpegs() -> dict[str, Make]:
    full = {"subsampling": 0, "quality": 5}

    def wide(height: int = 500) -> bytes:
        return encoded(noise("RGB", (62_000, height)), "JPEG", progressive=True, **full)

    def repeated(count: int, size: tuple[int, int] = _LARGEST) -> bytes:
        data = encoded(Image.new("RGB", size), "JPEG", progressive=True, subsampling=0)
        start = data.rindex(b"\xff\xda")
        return data[:start] + data[start:-2] * count + data[-2:]

    small = encoded(Image.new("RGB", (9, 9)), "JPEG")
    tables = b"\xff\xdb\0\x43\0" + bytes(64)
    return {
        "50 MP of noise": lambda: encoded(noise("RGB", _LARGEST), "JPEG", quality=18),
        "50 MP of noise, 4:4:4": lambda: encoded(noise("RGB", _LARGEST), "JPEG", **full),
        "progressive, 50 MP of noise, 4:4:4": lambda: encoded(noise("RGB", _LARGEST), "JPEG", progressive=True, **full),
        "progressive, 62,000 x 500": wide,
        "progressive, 62,000 x 500, 4.6 MB": lambda: wide().ljust(4_600_000, b"\0"),
        "progressive, 62,000 x 500, 17 scans more": lambda: repeated(18, (62_000, 500)),
        "progressive, 62,000 x 390, no end marker": lambda: wide(390)[:-2],
        "progressive, CMYK": lambda: encoded(noise("CMYK", (7000, 5500), 0.1), "JPEG", progressive=True, quality=5),
        "12 scans more": lambda: repeated(13),
        "200 scans": lambda: repeated(200),
        "no end marker": lambda: encoded(noise("RGB", _LARGEST), "JPEG", progressive=True, quality=5)[:-2],
        "arithmetic coding": lambda: repeated(200).replace(b"\xff\xc2", b"\xff\xca", 1),
        "2,000,000 bytes of FF in a scan": lambda: repeated(1, (64, 64))[:-2] + b"\xff" * 2_000_000 + b"\0\xff\xd9",
        "2,500,000 segments": lambda: _inserted(small, b"\xff\xfe\0\2" * 2_400_000),
        "10 MB of tables, no end marker": lambda: _inserted(small, tables * 140_000)[:-2],
        "EXIF of 60,000 broken entries": lambda: _inserted(
            small, b"\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 65_517
        ),
        "profile of 10 MB": lambda: encoded(Image.new("RGB", (99, 99)), "JPEG", icc_profile=bytes(9_900_000)),
    }


def _inserted(jpeg: bytes, segments: bytes) -> bytes:
    return jpeg[:2] + segments + jpeg[2:]


def _gifs() -> dict[str, Make]:
    def with_blocks(blocks: bytes) -> bytes:
        data = encoded(Image.new("P", (16, 16)), "GIF")
        frame = data.index(b",", 13)
        return data[:frame] + blocks + data[frame:]

    return {
        "50 MP": lambda: encoded(Image.new("L", _LARGEST), "GIF"),
        "7 MP of noise": lambda: encoded(noise("L", (3000, 2300)), "GIF"),
        "50 MP, noise in places": lambda: encoded(noise("L", _LARGEST).point([0] * 250 + [9] * 6), "GIF"),
        "26 MP, transparent": lambda: encoded(
            noise("L", (6500, 4000)).point([0] * 250 + [9] * 6), "GIF", transparency=0
        ),
        "small frame, 26 MP": lambda: b"GIF89a" + struct.pack("<HH", 6500, 4000)
        + encoded(Image.new("P", (16, 16)), "GIF", transparency=0)[10:],
        "5,000,000 sub-blocks": lambda: with_blocks(b"!\xfe" + b"\1a" * 4_900_000 + b"\0"),
        "1,600,000 comments": lambda: with_blocks(b"!\xfe\1a\0" * 1_600_000),
    }  # fmt: skip


def bmp(size: tuple[int, int], bits: int, compression: int, pixels: bytes) -> bytes:
    """A BMP with a gray palette, if it has one."""
    colors = 1 << bits if bits <= 8 else 0
    palette = b"".join(bytes([value * 255 // max(1, colors - 1)] * 3 + [0]) for value in range(colors))
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, bits, compression, len(pixels), 0, 0, colors, 0)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def _bmps() -> dict[str, Make]:
    return {
        "3 MP, 24 bits": lambda: encoded(noise("RGB", (2000, 1600)), "BMP"),
        "run lengths of 255": lambda: bmp((1880, 1880), 8, 1, (b"\xff\x05" * 9 + b"\0\0") * 1880),
        "run lengths of 1": lambda: bmp((490, 500), 8, 1, (b"\1\5" * 490 + b"\0\0") * 500),
        "run lengths of 4 bits": lambda: bmp((1880, 1880), 4, 2, (b"\xff\x35" * 9 + b"\0\0") * 1880),
        "ends of rows": lambda: bmp((1880, 1880), 8, 1, b"\1\5\0\0" * 1880),
        "single pixels": lambda: bmp((310, 310), 8, 1, (b"\1\5" * 309 + b"\0\0") * 310),
        "50 MP of run lengths": lambda: bmp(_LARGEST, 8, 1, (b"\xff\x05" * 32 + b"\0\0") * 6250),
    }


def _webps() -> dict[str, Make]:
    size = (4820, 3500)
    head = b"VP8X\x0a\0\0\0\2\0\0\0" + (1199).to_bytes(3, "little") * 2 + b"ANIM\6\0\0\0" + bytes(6)

    def frame(pictures: int) -> bytes:
        content = bytes(6) + (1199).to_bytes(3, "little") * 2 + bytes(4)
        content += lossless_webp(1200, 1200, 1)[12:] * pictures
        return _riff(head + b"ANMF" + len(content).to_bytes(4, "little") + content)

    return {
        "18 MP of noise": lambda: encoded(noise("RGB", size), "WEBP", quality=48, method=0),
        "18 MP of noise and alpha": lambda: encoded(noise("RGBA", size, 0.02), "WEBP", quality=5, method=0),
        "lossless noise": lambda: encoded(noise("RGB", (1800, 1700)), "WEBP", lossless=True, quality=0, method=0),
        "lossless, 65,536 groups": lambda: lossless_webp(1024, 1024, 65_536),
        "lossless, 2,600 groups": lambda: lossless_webp(1200, 1200, 2600),
        "lossless, 8,000,000 transforms": lambda: _riff(
            b"VP8L" + (3_000_005).to_bytes(4, "little") + b"/\x0f\xc0\3\0" + b"\x6d\xdb\xb6" * 1_000_000 + b"\0"
        ),
        "lossless, a frame of 50 pictures": lambda: frame(50),
        "lossless, 18 MP": lambda: encoded(noise("RGB", size, 0.01).convert("L").convert("RGB"), "WEBP", lossless=True),
        "animated, 18 MP": lambda: encoded(
            noise("RGB", size), "WEBP", quality=5, method=0, save_all=True, append_images=[Image.new("RGB", size)]
        ),
    }


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks


def _avifs() -> dict[str, Make]:
    def avif(mode: str, size: tuple[int, int], strength: float = 0.3, **options: Any) -> bytes:
        return encoded(noise(mode, size, strength), "AVIF", **{"quality": 40, "speed": 9, **options})

    def tile() -> bytes:
        return avif("RGB", (640, 640), quality=60)

    grain = {"advanced": {"film-grain-test": "2"}, "speed": 8}
    return {
        "22 MP of noise": lambda: avif("RGB", (5500, 3990)),
        "15 MP of noise, 4:4:4": lambda: avif("RGB", (4400, 3500), quality=60, subsampling="4:4:4"),
        "15 MP of noise and alpha": lambda: avif("RGBA", (4400, 3500), 0.2),
        "12 MP of noise and alpha, 4:4:4": lambda: avif("RGBA", (4000, 2900), 0.2, subsampling="4:4:4"),
        "22 MP, film grain": lambda: avif("RGB", (5500, 3990), 0.1, **grain),
        "15 MP, film grain, 4:4:4": lambda: avif("RGB", (4400, 3500), 0.1, subsampling="4:4:4", **grain),
        "12 MP and alpha, film grain, 4:4:4": lambda: avif("RGBA", (4000, 2900), 0.1, subsampling="4:4:4", **grain),
        "5 MP, all tools": lambda: avif("RGB", (2600, 2000), 0.2, quality=70, speed=5),
        "grid of 15 MP of noise": lambda: derived.derived(tile(), b"grid", 6, (3840, 3840)),
        "grid beyond its canvas": lambda: derived.derived(tile(), b"grid", 10, (1000, 1000)),
        "64 x 64, which is 12 MP": lambda: derived.lying(avif("RGB", (4000, 3000), 0.01), (64, 64)),
        "3,000 frames": lambda: derived.repeated(avif("RGB", (1000, 1000), 0.0), 3000),
    }


def _heics() -> dict[str, Make]:
    def heic(size: tuple[int, int], mode: str = "RGB", strength: float = 0.3, **options: Any) -> bytes:
        import pillow_heif

        pillow_heif.register_heif_opener()
        return encoded(noise(mode, size, strength), "HEIF", **options)

    def deep(mode: str, size: tuple[int, int]) -> bytes:
        import pillow_heif

        row = b"".join((x * 65_535 // size[0]).to_bytes(2, "little") * len(mode[:-3]) for x in range(size[0]))
        file = io.BytesIO()
        pillow_heif.from_bytes(mode=mode, size=size, data=row * size[1]).save(file, quality=50, chroma=444)
        return file.getvalue()

    def grid(count: int, size: tuple[int, int], *, turned: bool = False, **options: Any) -> bytes:
        return derived.derived(heic((512, 512), **options), b"grid", count, size, turned=turned)

    return {
        "grid of 8 MP of noise, 4:4:4": lambda: grid(6, (3072, 3072), quality=30, chroma=444),
        "6 MP of noise and alpha": lambda: heic((3000, 2000), "RGBA", quality=30),
        "5.5 MP, 10 bits, 4:4:4": lambda: deep("RGB;16", (2500, 2200)),
        "4.1 MP and alpha, 10 bits, 4:4:4": lambda: deep("RGBA;16", (2300, 1780)),
        "grid of 12 MP of noise": lambda: grid(7, (3584, 3584), quality=35),
        "grid of 16 MP of noise": lambda: grid(8, (4096, 4096), quality=28),
        "grid of 9 MP of noise, turned": lambda: grid(6, (3072, 3072), turned=True, quality=25),
        "grid of 16 MP of noise, turned": lambda: grid(8, (4096, 4096), turned=True, quality=28),
        "grid of 21 MP": lambda: grid(9, (4608, 4608), strength=0.02, quality=20),
        "grid of 9 MP, 4:4:4": lambda: grid(6, (3072, 3072), strength=0.05, quality=20, chroma=444),
        "grid beyond its canvas": lambda: grid(70, (512, 512), strength=0.0),
        "4,900 overlays": lambda: derived.derived(heic((512, 512), strength=0.0), b"iovl", 70, (512, 512)),
        "64 x 64, which is 1 MP": lambda: derived.lying(heic((1000, 1000), strength=0.0), (64, 64)),
        "1,000 pictures in one": lambda: derived.repeated(heic((512, 512), strength=0.0), 1000),
        "48 MP": lambda: grid(16, (8064, 6048), strength=0.02, quality=10),
        "1,240,000 properties": lambda: _with_properties(124, 9999),
    }


def _with_properties(tables: int, each: int) -> bytes:
    """A HEIC of nothing but properties, in so many tables."""
    table = struct.pack(">I4s", 8 + 8 * each, b"ipco") + struct.pack(">I4s", 8, b"free") * each
    parts = [(b"pitm", bytes(6)), (b"iinf", bytes(6)), (b"iloc", bytes(8)), (b"iprp", table * tables)]
    content = bytes(4) + b"".join(struct.pack(">I4s", 8 + len(part), kind) + part for kind, part in parts)
    return b"\0\0\0\x10ftypheic\0\0\0\0" + struct.pack(">I4s", 8 + len(content), b"meta") + content


def lut_profile(grid: int, curve: int) -> bytes:
    """An RGB profile with a table of grid x grid x grid colors, and curves of so many points (ICC.1:2022, 10.10)."""
    table = bytes(place % 251 for place in range(2 * 3 * grid**3))
    identity = struct.pack(">9i", 65_536, 0, 0, 0, 65_536, 0, 0, 0, 65_536)
    ramp = struct.pack(f">{curve}H", *(65_535 * place // (curve - 1) for place in range(curve))) * 3
    lut = b"mft2\0\0\0\0" + bytes([3, 3, grid, 0]) + identity + struct.pack(">HH", curve, curve) + ramp + table + ramp
    head = struct.pack(">I", 144 + len(lut)) + bytes(4) + b"\2\x20\0\0mntrRGB Lab " + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    return head + bytes(128 - len(head)) + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def _profiles() -> dict[str, Make]:
    def with_profile(profile: bytes) -> bytes:
        return encoded(noise("RGB", (300, 300)), "PNG", icc_profile=profile)

    return {
        "table of 33 colors a side": lambda: with_profile(lut_profile(33, 4096)),
        "table of 60 colors a side": lambda: with_profile(lut_profile(60, 4096)),
        "random bytes": lambda: with_profile(random.Random(1).randbytes(1_000_000)),  # noqa: S311
        "of another length each time": lambda: with_profile(lut_profile(17, 2)[:-1]),
    }


def small() -> dict[str, list[bytes]]:
    """Small files by format, for a search to begin with: mutations reach what makers do not think of."""
    found: dict[str, list[bytes]] = {}
    for name, data in corpus.image_files((64, 48)).items():
        found.setdefault(_format_of(name), []).append(data)
    found["profile"] = [
        encoded(noise("RGB", (16, 16)), "PNG", icc_profile=profile, compress_level=0)
        for profile in (lut_profile(2, 2), lut_profile(9, 300), lut_profile(33, 4096))
    ]
    return found


def _format_of(name: str) -> str:
    return {"webp": "WebP"}.get(name.partition("-")[0], name.partition("-")[0].upper())
