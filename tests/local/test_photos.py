"""What is read when. How folders, files, URLs and standard input are found: see test_cli.py, which runs the command."""

from collections.abc import Iterator
from pathlib import Path

from local import photos
from serve.app import App
from serve.settings import Settings
from serve.upload import Photo


def test_photos_are_read_as_they_are_needed_not_all_at_once(model_path: Path, cat_jpeg: bytes) -> None:
    read = asked_for = 0

    def load(_max_bytes: int) -> Photo:
        nonlocal read
        read += 1
        return Photo(image=cat_jpeg)

    def sources() -> Iterator[photos.Source]:
        nonlocal asked_for
        for number in range(200):
            asked_for += 1
            yield photos.Source(str(number), load)

    outcomes = photos.classify_all(sources(), App(Settings(model_path=model_path)), jobs=2)
    assert next(outcomes).name == "0"
    assert 0 < asked_for <= 16  # no more than this can have been read, however fast
    assert read < 100
    assert [outcome.name for outcome in outcomes] == [str(number) for number in range(1, 200)]
    assert read == 200
