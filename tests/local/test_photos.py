"""What is read when, and what a bug does. How photos are found: see test_cli.py, which runs the command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import photos
from serve.app import App
from serve.errors import ProblemError
from serve.settings import Settings
from serve.upload import Photo


def test_photos_are_read_as_they_are_needed_not_all_at_once(model_path: Path, cat_jpeg: bytes) -> None:
    read = asked_for = 0

    def load(_max_bytes: int) -> Photo:
        nonlocal read
        read += 1
        return Photo(image=cat_jpeg)

    def items() -> Iterator[photos.Item]:
        nonlocal asked_for
        for number in range(200):
            asked_for += 1
            yield photos.Item(str(number), load)

    answers = photos.classify_all(items(), App(Settings(model_path=model_path)), jobs=2)
    assert next(answers).item.name == "0"
    assert 0 < asked_for <= 16  # no more than this can have been read, however fast
    assert read < 100
    assert [answered.item.name for answered in answers] == [str(number) for number in range(1, 200)]
    assert read == 200


def test_a_bug_that_one_photo_meets_is_the_answer_of_that_photo_only(model_path: Path, cat_jpeg: bytes) -> None:
    def load(_max_bytes: int) -> Photo:
        raise ZeroDivisionError

    items = [photos.Item("bad", load), photos.Item("good", lambda _max_bytes: Photo(image=cat_jpeg))]
    bad, good = photos.classify_all(items, App(Settings(model_path=model_path)), jobs=1)
    assert isinstance(bad.answer, ProblemError)
    assert "ZeroDivisionError" in bad.answer.detail
    assert not isinstance(good.answer, ProblemError)


def test_a_name_that_cannot_be_looked_at_is_one_item_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("a" * 300 + ".jpg", str(tmp_path / "loop" / "a.jpg")):
        (item,) = photos.find([name], 10)
        with pytest.raises(photos.UnreadableError, match=r"cannot be read: (file name too long|too many levels)"):
            item.load(10)


def test_of_a_photo_and_a_link_to_it_the_photo_counts(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"a photo")
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    assert [item.path for item in photos.find([str(tmp_path)], 10)] == [tmp_path / "b.jpg"]
    assert [item.path for item in photos.find([str(tmp_path / "a.jpg")], 10)] == [tmp_path / "a.jpg"]
