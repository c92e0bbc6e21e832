"""How the adapters of S3 objects describe an object."""

from typing import Any

import pytest

from serve.adapters._records import S3Object, announced, is_records_of, member, s3_object
from serve.errors import MalformedRequestError


def test_an_object_with_all_that_an_event_can_have() -> None:
    item = s3_object("photos", "a.jpg", version_id="v1", etag="e1", sequencer="0A", size=5)
    assert item == S3Object("photos", "a.jpg", "v1", "e1", "0A", "")


@pytest.mark.parametrize("value", [None, 5, [], "\ud800"])
def test_what_is_not_text_is_as_if_it_were_missing(value: Any) -> None:
    assert s3_object("photos", "a.jpg", version_id=value, etag=value, sequencer=value) == S3Object("photos", "a.jpg")


@pytest.mark.parametrize("value", [None, 5, [], "", "\ud800"])
def test_without_a_bucket_or_a_key_there_is_no_object(value: Any) -> None:
    with pytest.raises(MalformedRequestError, match="The bucket of an object"):
        s3_object(value, "a.jpg")
    with pytest.raises(MalformedRequestError, match="The key of an object"):
        s3_object("photos", value)


def test_names_are_no_longer_than_s3_has_them() -> None:
    """Each would be in the log."""
    assert s3_object("photos", "é" * 512, version_id="v" * 1024).key == "é" * 512
    for names in ({"key": "é" * 513}, {"key": "a", "version_id": "v" * 1025}):
        with pytest.raises(MalformedRequestError, match="has at most 1,024 bytes"):
            s3_object("photos", **names)


@pytest.mark.parametrize(
    ("key", "size", "skip"),
    [
        ("album/", 0, "a folder marker"),
        ("a.jpg", 0, "an empty object"),
        ("album/", 5, ""),
        ("album/", None, ""),
        ("a.jpg", "0", ""),
    ],
)
def test_an_object_without_bytes_is_no_photo(key: str, size: Any, skip: str) -> None:
    assert s3_object("photos", key, size=size).skip == skip
    assert s3_object("photos", key, size=size, skip="deleted").skip == "deleted"


def test_a_record_that_is_not_understood_is_its_problem() -> None:
    problem = announced(lambda record: s3_object(record, "a.jpg"), None)
    assert isinstance(problem, MalformedRequestError)
    assert announced(lambda record: s3_object(record, "a.jpg"), "photos") == S3Object("photos", "a.jpg")


@pytest.mark.parametrize("event", [None, [], {}, {"Records": {}}, {"Records": []}, {"Records": [5]}])
def test_what_has_no_records(event: Any) -> None:
    assert not is_records_of(event, "eventSource", "aws:s3")


def test_members_of_members() -> None:
    value = {"a": {"b": {"c": 1}}}
    assert member(value, "a", "b", "c") == 1
    assert member(value, "a", "x", "c") is member(value, "a", "b", "c", "d") is member(None, "a") is None
