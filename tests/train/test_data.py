import shutil
from pathlib import Path

import pytest

from tests.conftest import make_photos
from train import data
from train.pixels import decode


def test_the_real_data_set_is_split_as_documented(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    source = data.open_source()
    assert (source.name, source.labels, source.total) == ("cats_vs_dogs", ("cat", "dog"), 20_998)
    assert [len(source.bounds(split)) for split in data.SPLITS] == [16_798, 2_100, 2_100]
    assert len(source.photos) == source.total
    some = source.photos[-5:]
    assert all(decode(photo.data, 32, 32).shape == (32, 32, 3) for photo in some)


def test_a_folder_is_read_in_the_order_of_its_splits(tmp_path: Path) -> None:
    source = data.open_source(make_photos(tmp_path / "photos", 20))
    assert (source.name, source.version, source.labels, source.total) == ("photos", "folder", ("cat", "dog"), 40)
    assert [source.bounds(split) for split in data.SPLITS] == [range(32), range(32, 36), range(36, 40)]
    assert [photo for split in data.SPLITS for photo in data.read_split(source, split)] == source.photos
    for photo in source.photos:
        assert photo.data == (tmp_path / "photos" / photo.name).read_bytes()
        assert photo.name.split("/")[0] == source.labels[photo.label]


@pytest.mark.parametrize("labels", [(), ("cat",)])
def test_fewer_than_two_classes_is_an_error_that_says_so(tmp_path: Path, labels: tuple[str, ...]) -> None:
    for label in labels:
        (tmp_path / label).mkdir()
        (tmp_path / label / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(data.DataError, match="two class folders"):
        data.open_source(tmp_path)


def test_a_missing_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="no such folder"):
        data.open_source(tmp_path / "none")


def test_either_class_may_be_the_positive_one(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 20)
    one, other = (data.open_source(folder, positive) for positive in ("dog", "cat"))
    assert (one.labels, other.labels) == (("cat", "dog"), ("dog", "cat"))
    for first, second in zip(one.photos, other.photos, strict=True):
        assert (first.name, first.data, first.label) == (second.name, second.data, 1 - second.label)
    assert one.identity() != other.identity()


def test_more_than_two_classes_have_no_positive_one(tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 20)
    shutil.copytree(folder / "cat", folder / "ant")
    assert data.open_source(folder).labels == ("ant", "cat", "dog")
    assert [data.positive(labels) for labels in ("ab", "abc")] == ["b", None]
    with pytest.raises(data.DataError, match=r"--positive-class cat: photos has 3 classes, .* leave the flag out"):
        data.open_source(folder, "cat")


def test_a_positive_class_that_is_no_class_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match=r"--positive-class horse: the classes of photos are \['cat', 'dog'\]"):
        data.open_source(make_photos(tmp_path / "photos", 20), "horse")


def test_a_data_set_that_cannot_be_prepared_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(data.DataError, match=r"cannot be downloaded and prepared: .*; TFDS_DATA_DIR names a folder"):
        data.open_source()
