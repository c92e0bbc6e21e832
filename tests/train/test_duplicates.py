import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from serve.errors import ProblemError
from train import duplicates


def saved(picture: Image.Image, image_format: str = "PNG", **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


@pytest.fixture
def cat(cat_jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(cat_jpeg)).convert("RGB")


def distance(one: bytes, other: bytes) -> int:
    return int((duplicates.difference_hash(one) != duplicates.difference_hash(other)).sum())


def test_a_ramp_gets_lighter_to_the_right_everywhere_and_its_mirror_nowhere() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 170, dtype=np.uint8)[None, :, None], (160, 170, 3))
    assert duplicates.difference_hash(saved(Image.fromarray(ramp))).tolist() == [True] * duplicates.BITS
    assert not duplicates.difference_hash(saved(Image.fromarray(ramp[:, ::-1]))).any()


def test_the_same_photo_at_another_size_quality_and_brightness_is_close(cat: Image.Image) -> None:
    original = saved(cat)
    assert distance(original, saved(cat.resize((200, 200)))) < 16
    assert distance(original, saved(cat, "JPEG", quality=40)) < 16
    assert distance(original, saved(ImageEnhance.Brightness(cat).enhance(0.8))) < 16


def test_other_photos_are_far(cat: Image.Image) -> None:
    original = saved(cat)
    assert distance(original, saved(cat.crop((150, 100, 451, 300)))) > 64
    assert distance(original, saved(cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT))) > 64


def test_pairs_are_those_of_comparing_all_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    hashes = np.random.default_rng(1).random((40, duplicates.BITS)) < 0.5
    hashes[25] = hashes[3]
    hashes[26] = hashes[3]
    hashes[26, :5] ^= True
    expected = {
        (first, second): int((hashes[first] != hashes[second]).sum()) for first in range(40) for second in range(first)
    }
    for limit in (0, 5, 110, duplicates.BITS):
        found = duplicates.close_pairs(hashes, limit)
        assert {(pair.second, pair.first): pair.distance for pair in found} == {
            places: bits for places, bits in expected.items() if bits <= limit
        }
        assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)
    assert [(pair.first, pair.second, pair.distance) for pair in duplicates.close_pairs(hashes, 5)] == [
        (3, 25, 0), (3, 26, 5), (25, 26, 5),
    ]  # fmt: skip


def test_what_is_no_photo_is_a_problem() -> None:
    with pytest.raises(ProblemError):
        duplicates.difference_hash(b"no photo")


def test_a_twin_is_the_closest_of_the_other_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    hashes, others = (np.random.default_rng(seed).random((20, duplicates.BITS)) < 0.5 for seed in (1, 2))
    others[4], others[9] = hashes[13], hashes[13]
    others[4, :3] ^= True
    others[11] = hashes[2]
    others[11, : duplicates.SAME_PICTURE + 1] ^= True
    assert duplicates.twins(hashes, others) == {13: 9}
