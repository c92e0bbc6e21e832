"""What is read when, and what a bug does. How photos are found: see test_cli.py, which runs the command."""

from collections.abc import Iterator
from pathlib import Path

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
