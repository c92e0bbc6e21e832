"""HEVC: sizes from the sequence parameters, and slices."""

import io

import pillow_heif
import pytest
from PIL import Image

from serve.errors import UndecodableImageError
from serve.model.formats import MAX_PARTS, Coded, PartCount, boxes, hevc
from tests.serve.model.pictures import encoded, scene

pillow_heif.register_heif_opener()


def coded(data: bytes) -> Coded:
    meta = boxes.Meta(data)
    return hevc.coded(configuration(data), meta.data(meta.primary), PartCount())


def configuration(data: bytes) -> bytes:
    meta = boxes.Meta(data)
    return next(bytes(one.content) for one in meta.properties(meta.primary) if one.kind == b"hvcC")


@pytest.mark.parametrize(("chroma", "samples"), [(420, 1.5), (422, 2.0), (444, 3.0)])
def test_every_chroma_format(chroma: int, samples: float) -> None:
    assert coded(encoded(scene((512, 256)), "HEIF", chroma=chroma)) == Coded(512, 256, samples, 1)


def test_gray_is_one_sample_a_pixel() -> None:
    found = coded(encoded(Image.new("L", (512, 256)), "HEIF"))
    assert found.samples in {1.0, 1.5}  # encoders may write gray as color


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize(("chroma", "samples"), [(420, 1.5), (422, 2.0), (444, 3.0)])
def test_more_than_eight_bits_count_twice(
    bits: int, chroma: int, samples: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    file = io.BytesIO()
    picture = pillow_heif.from_bytes(mode="RGB;16", size=(512, 256), data=bytes(512 * 256 * 6))
    picture.save(file, chroma=chroma)
    assert pillow_heif.open_heif(file, convert_hdr_to_8bit=False).info["bit_depth"] == bits
    assert coded(file.getvalue()) == Coded(512, 256, 2 * samples, 1)


def test_an_odd_size_is_coded_in_whole_blocks() -> None:
    found = coded(encoded(scene((301, 203)), "HEIF"))
    assert 301 <= found.width < 301 + 64
    assert 203 <= found.height < 203 + 64


def test_the_largest_of_the_sequence_parameters_counts() -> None:
    small, large = encoded(scene((64, 64)), "HEIF"), encoded(scene((1024, 512)), "HEIF")
    meta = boxes.Meta(small)
    unit = next(unit for unit in hevc._parameter_sets(configuration(large)) if hevc._kind(unit) == 33)
    data = len(unit).to_bytes(4, "big") + unit + meta.data(meta.primary)
    assert hevc.coded(configuration(small), data, PartCount())[:2] == (1024, 512)


def test_every_slice_counts() -> None:
    data = encoded(scene((64, 64)), "HEIF")
    meta = boxes.Meta(data)
    assert hevc.coded(configuration(data), meta.data(meta.primary) * 7, PartCount()).pictures == 7


def test_what_is_broken() -> None:
    data = encoded(scene((64, 64)), "HEIF")
    for configured, content in (
        (b"", b""),
        (bytes(23), b""),
        (configuration(data)[:40], b""),
        (configuration(data), b"\0\0\1\0\x26"),
        (configuration(data), bytes(4)),
    ):
        with pytest.raises((EOFError, IndexError, ValueError)):
            hevc.coded(configured, content, PartCount())
    with pytest.raises(UndecodableImageError, match="too many parts"):
        hevc.coded(configuration(data), b"\0\0\0\1\x26" * (MAX_PARTS + 1), PartCount())


def test_units_of_all_items_and_configurations_count() -> None:
    data, count = encoded(scene((64, 64)), "HEIF"), PartCount()
    meta = boxes.Meta(data)
    hevc.coded(configuration(data), meta.data(meta.primary) * (MAX_PARTS // 2), count)
    with pytest.raises(UndecodableImageError, match="too many parts"):
        hevc.coded(configuration(data), meta.data(meta.primary) * (MAX_PARTS // 2), count)
    sets = list(hevc._parameter_sets(configuration(data)))
    unit = next(unit for unit in sets if hevc._kind(unit) == 33)
    many = (MAX_PARTS + 1).to_bytes(2, "big") + (len(unit).to_bytes(2, "big") + unit) * (MAX_PARTS + 1)
    with pytest.raises(UndecodableImageError, match="too many parts"):
        hevc.coded(configuration(data)[:22] + b"\1\x21" + many, meta.data(meta.primary), PartCount())


@pytest.mark.parametrize("kind", [33, 34], ids=["sequence", "picture"])
def test_parameters_are_few(kind: int) -> None:
    """9,900 of a sequence with long numbers, 0.8 MB, took 0.3 s; 10,000 of pictures, 90 kB, 9 s: each makes tables."""
    data = encoded(scene((64, 64)), "HEIF")
    meta, configured = boxes.Meta(data), configuration(data)
    unit = next(unit for unit in hevc._parameter_sets(configured) if hevc._kind(unit) == kind)
    more = len(unit).to_bytes(4, "big") + unit
    assert hevc.coded(configured, more * 3 + meta.data(meta.primary), PartCount()).pictures == 1
    with pytest.raises(UndecodableImageError, match="too many parts"):
        hevc.coded(configured, more * 4 + meta.data(meta.primary), PartCount())
