import io
import itertools

import numpy as np
import numpy.typing as npt
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
    return int(np.bitwise_count(duplicates.difference_hash(one) ^ duplicates.difference_hash(other)).sum())


def test_a_ramp_gets_lighter_to_the_right_everywhere_and_its_mirror_nowhere() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 170, dtype=np.uint8)[None, :, None], (160, 170, 3))
    assert duplicates.difference_hash(saved(Image.fromarray(ramp))).tolist() == [2**64 - 1] * duplicates.WORDS
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


Bits = npt.NDArray[np.bool_]


def packed(bits: Bits) -> duplicates.Hashes:
    return np.packbits(bits, axis=1).view(np.uint64)


@pytest.fixture(params=[7, 1 << 20], ids=["small blocks", "one block"])
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bits:
    """Hashes of 300 photos, each a few bits away from one of 40 pictures, the same as another, or all white."""
    monkeypatch.setattr(duplicates, "_BLOCK", request.param)
    chance = np.random.default_rng(1)
    bits = (chance.random((40, duplicates.BITS)) < 0.5)[chance.integers(0, 40, 300)]
    for row in bits[:250]:
        row[chance.choice(duplicates.BITS, chance.integers(0, 20), replace=False)] ^= True
    bits[::30] = False
    return bits


@pytest.mark.parametrize("limit", [0, 5, duplicates.SAME_PICTURE, 60])
def test_pairs_are_those_of_comparing_all_with_all(bits: Bits, limit: int) -> None:
    distances = (bits[:, None] != bits[None]).sum(axis=-1)
    expected = sorted((int(distances[pair]), *pair) for pair in itertools.combinations(range(len(bits)), 2))
    found = duplicates.close_pairs(packed(bits), limit)
    assert [(pair.distance, pair.first, pair.second) for pair in found] == [one for one in expected if one[0] <= limit]
    assert duplicates.close_pairs(packed(bits[:1]), limit) == []


@pytest.mark.parametrize("limit", [0, 5, duplicates.SAME_PICTURE, 60])
def test_every_photo_with_a_twin_is_found(bits: Bits, limit: int) -> None:
    hashes, others = bits[:220], bits[220:]
    distances = (hashes[:, None] != others[None]).sum(axis=-1)
    found = duplicates.twins(packed(hashes), packed(others), limit)
    assert found
    assert sorted(found) == np.flatnonzero(distances.min(axis=1) <= limit).tolist()
    assert all(distances[pair] <= limit for pair in found.items())


def test_without_other_photos_there_are_no_twins(bits: Bits) -> None:
    assert duplicates.twins(packed(bits), packed(bits[:0])) == {}
    assert duplicates.twins(packed(bits[:0]), packed(bits)) == {}


@pytest.mark.parametrize("alike", [False, True], ids=["unrelated", "all alike"])
def test_few_of_many_photos_are_compared(alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of a fixed camera differ in a few bits each."""
    chance, compared, distances = np.random.default_rng(1), [0], duplicates._distances

    def counting(hashes: duplicates.Hashes, others: duplicates.Hashes) -> npt.NDArray[np.int64]:
        compared[0] += len(hashes)
        return distances(hashes, others)

    monkeypatch.setattr(duplicates, "_distances", counting)
    bits = chance.random((5_000, duplicates.BITS)) < (0.03 if alike else 0.5)
    found = duplicates.twins(packed(bits[:4_000]), packed(bits[4_000:]))
    assert (len(found) > 3_900) == alike
    assert compared[0] < 200 * len(bits)


def test_what_is_no_photo_is_a_problem() -> None:
    with pytest.raises(ProblemError):
        duplicates.difference_hash(b"no photo")
