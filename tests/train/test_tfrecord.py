"""Each photo is found where it is in the file."""

from pathlib import Path

import pytest
import tensorflow as tf

from train import tfrecord


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three photos as TFDS stores them."""
    path = tmp_path / "photos.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(3):
            features = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"photo %d" % number * 20])),
                "image/filename": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"Cat/%d.jpg" % number])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return path


def test_photos_are_found_with_their_names_and_labels(file: Path) -> None:
    found, content = list(tfrecord.photos(file)), file.read_bytes()
    assert [(photo.filename, photo.label) for photo in found] == [("Cat/0.jpg", 0), ("Cat/1.jpg", 1), ("Cat/2.jpg", 0)]
    for number, photo in enumerate(found):
        assert content[photo.offset : photo.offset + photo.size] == b"photo %d" % number * 20


@pytest.mark.parametrize("missing", [1, 100, 300])
def test_of_a_truncated_file_the_complete_photos_are_found(file: Path, missing: int) -> None:
    file.write_bytes(file.read_bytes()[:-missing])
    assert [photo.filename for photo in tfrecord.photos(file)] == ["Cat/0.jpg", "Cat/1.jpg"][
        : 1 if missing == 300 else 2
    ]


def test_an_empty_file_has_no_photos(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert list(tfrecord.photos(tmp_path / "empty")) == []
