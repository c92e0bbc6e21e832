import shutil
from pathlib import Path

import pytest

from tests.conftest import make_photos
from train import data
from train.pixels import decode


def test_the_real_data_set_is_split_as_documented(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    data_set = data.open_data_set()
    assert (data_set.name, data_set.labels, data_set.total) == ("cats_vs_dogs", ("cat", "dog"), 20_998)
    assert [len(data_set.bounds(split)) for split in data.SPLITS] == [16_798, 2_100, 2_100]
    assert len(data_set.photos) == data_set.total
    some = data_set.photos[-5:]
    assert all(decode(photo.data, 32, 32).shape == (32, 32, 3) for photo in some)


def test_a_folder_is_read_in_the_order_of_its_splits(tmp_path: Path) -> None:
    data_set = data.open_data_set(make_photos(tmp_path / "photos", 20))
    assert (data_set.name, data_set.version, data_set.labels, data_set.total) == (
        "photos",
        "folder",
        ("cat", "dog"),
        40,
    )
    assert [data_set.bounds(split) for split in data.SPLITS] == [range(32), range(32, 36), range(36, 40)]
    assert [photo for split in data.SPLITS for photo in data.read_split(data_set, split)] == data_set.photos
    for photo in data_set.photos:
        assert photo.data == (tmp_path / "photos" / photo.name).read_bytes()
        assert photo.name.split("/")[0] == data_set.labels[photo.label]


@pytest.mark.parametrize("labels", [(), ("cat",)])
def test_fewer_than_two_classes_is_an_error_that_says_so(tmp_path: Path, labels: tuple[str, ...]) -> None:
    for label in labels:
        (tmp_path / label).mkdir()
        (tmp_path / label / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(data.DataError, match="two class folders"):
        data.open_data_set(tmp_path)


def test_a_missing_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="no such folder"):
        data.open_data_set(tmp_path / "none")


def test_either_class_may_be_the_positive_one(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 20)
    one, other = (data.open_data_set(folder, positive) for positive in ("dog", "cat"))
    assert (one.labels, other.labels) == (("cat", "dog"), ("dog", "cat"))
    for first, second in zip(one.photos, other.photos, strict=True):
        assert (first.name, first.data, first.label) == (second.name, second.data, 1 - second.label)
    assert one.identity() != other.identity()


def test_more_than_two_classes_have_no_positive_one(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 20)
    shutil.copytree(folder / "cat", folder / "ant")
    assert data.open_data_set(folder).labels == ("ant", "cat", "dog")
    assert [data.positive(labels) for labels in ("ab", "abc")] == ["b", None]
    with pytest.raises(data.DataError, match=r"--positive-class cat: photos has 3 classes, .* leave the flag out"):
        data.open_data_set(folder, "cat")


def test_a_positive_class_that_is_no_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match=r"--positive-class horse: the classes of photos are \['cat', 'dog'\]"):
        data.open_data_set(make_photos(tmp_path / "photos", 20), "horse")


def test_a_data_set_that_cannot_be_prepared_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(data.DataError, match=r"cannot be downloaded and prepared: .*; TFDS_DATA_DIR names a folder"):
        data.open_data_set()
