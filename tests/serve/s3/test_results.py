"""Photos in S3 to results in S3: in any order, twice, at once, half broken, and without time; and nothing lost."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.adapters._records import S3Object
from serve.app import App
from serve.errors import ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3.objects import classify_objects
from serve.s3.results import result_key, supersedes
from tests.serve.s3.deliveries import KEY, classify, put, with_versions
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, before, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Read = Callable[[str], Any]
Log = Callable[[], list[Any]]


def test_a_result_holds_the_prediction_and_all_of_its_source(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    with_versions(s3)
    version = put(s3, cat_jpeg)
    (attempt,) = classify_objects([S3Object(UPLOADS, KEY, version, "", "0A1B")], invocation, s3_app, source="test")
    head = s3.head_object(Bucket=UPLOADS, Key=KEY)
    result = read_result(KEY)
    assert result["source"] == {
        "bucket": UPLOADS,
        "key": KEY,
        "version_id": version,
        "etag": head["ETag"].strip('"'),
        "sequencer": "0A1B",
        "last_modified": head["LastModified"].isoformat(),
    }
    assert isinstance(attempt.answer, Prediction)
    assert result["label"] == attempt.answer.label == "cat"
    assert result["probability"] == round(attempt.answer.probability, 6)
    assert result["model_version"] == s3_app.classifier.description.version
    assert abs(datetime.fromisoformat(result["time"]).timestamp() - time.time()) < 60
    assert datetime.fromisoformat(result["time"]).tzname() == "UTC"
    assert set(result) == {"source", "label", "probability", "uncertain", "model_version", "time"}


@pytest.mark.parametrize(
    ("body", "status"), [(b"no photo", 415), (b"\xff\xd8\xff broken", 422), (bytes(10_000_001), 413), (None, 404)]
)
def test_a_photo_that_can_never_be_classified_has_its_problem_recorded(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, body: bytes | None, status: int
) -> None:
    if body is not None:
        put(s3, body)
    (attempt,) = classify_objects([S3Object(UPLOADS, KEY, etag="e1")], invocation, s3_app, source="test")
    assert not attempt.retry
    assert isinstance(attempt.answer, ProblemError)
    result = read_result(KEY)
    assert result["error"] == attempt.answer.problem()
    assert result["error"]["status"] == status
    assert (result["source"]["last_modified"] is None) == (body is None)
    assert (result["source"]["etag"] == "e1") == (body is None)
    assert set(result) == {"source", "error", "model_version", "time"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("versioned", [True, False])
def test_the_newest_wins_in_every_order_of_delivery(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    read_result: Read,
    cat_jpeg: bytes,
    order: tuple[int, ...],
    versioned: bool,
) -> None:
    if versioned:
        with_versions(s3)
    versions = [put(s3, body) for body in (b"no photo", b"\xff\xd8\xff broken", cat_jpeg)]
    # The last is the shortest: as plain text or as numbers they would sort otherwise.
    uploads = [
        S3Object(UPLOADS, KEY, version, sequencer=sequencer)
        for version, sequencer in zip(versions, ("0055AED6DCD90281E4", "0055AED6DCD90281E5", "0055AED7"), strict=True)
    ]
    for number in order:
        classify(s3_app, invocation, uploads[number])
    result = read_result(KEY)
    assert result["label"] == "cat"
    assert result["source"]["sequencer"] == "0055AED7"


def test_without_sequencers_the_time_of_the_upload_decides(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes, log: Log
) -> None:
    with_versions(s3)
    old = put(s3, b"no photo")
    time.sleep(1.1)  # S3 tells whole seconds
    new = put(s3, cat_jpeg)
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, new))
    log()
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, old))
    assert read_result(KEY)["label"] == "cat"
    assert log()[0]["superseded"] is True
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, old, sequencer="FF"))
    assert read_result(KEY)["source"]["version_id"] == new


def test_a_second_delivery_changes_nothing(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    upload = S3Object(UPLOADS, KEY, sequencer="0A")
    assert classify(s3_app, invocation, upload) == [Prediction]
    first = read_result(KEY)
    assert classify(s3_app, invocation, upload, upload) == [Prediction, Prediction]
    assert read_result(KEY) | {"time": None} == first | {"time": None}


@pytest.mark.parametrize("sequencer", ["0A", ""])
def test_a_second_delivery_after_the_photo_has_gone_keeps_the_label(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes, sequencer: str
) -> None:
    put(s3, cat_jpeg)
    upload = S3Object(UPLOADS, KEY, sequencer=sequencer)
    classify(s3_app, invocation, upload)
    s3.delete_object(Bucket=UPLOADS, Key=KEY)
    classify(s3_app, invocation, upload)
    assert read_result(KEY)["label"] == "cat"


def test_another_model_replaces_the_result_of_the_same_photo(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, sequencer="0A"))
    name = result_key(S3Object(UPLOADS, KEY), "v1/")
    s3.put_object(
        Bucket=RESULTS, Key=name, Body=json.dumps(read_result(KEY) | {"model_version": "old", "label": "dog"})
    )
    classify(s3_app, invocation, S3Object(UPLOADS, KEY))
    assert read_result(KEY)["label"] == "cat"


def test_a_file_that_is_no_result_gives_way(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    s3.put_object(Bucket=RESULTS, Key=result_key(S3Object(UPLOADS, KEY), "v1/"), Body=b"no json")
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == [Prediction]
    assert read_result(KEY)["label"] == "cat"


@pytest.mark.parametrize("there_before", [True, False])
def test_of_two_concurrent_deliveries_the_newer_stays(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    read_result: Read,
    s3_proxy: Proxy,
    cat_jpeg: bytes,
    there_before: bool,
) -> None:
    """The newer is delivered and done between the older's last look and its write."""
    with_versions(s3)
    old, new = (S3Object(UPLOADS, KEY, put(s3, body), sequencer=n) for body, n in ((b"no", "0B"), (cat_jpeg, "0C")))
    if there_before:
        classify(s3_app, invocation, old._replace(sequencer="0A"))
    # With a result there, the first try to write fails anyhow, and the second is the one to outrun.
    skipped = iter([False, True] if there_before else [True])
    s3_proxy.faults = [
        before(
            f"PUT {RESULTS}",
            lambda: next(skipped, False) and classify(s3_app, invocation, new),
            times=2 if there_before else 1,
        )
    ]
    assert not any(attempt.retry for attempt in classify_objects([old], invocation, s3_app, source="test"))
    assert next(skipped, None) is None
    assert read_result(KEY)["source"]["sequencer"] == "0C"
    assert read_result(KEY)["label"] == "cat"


def test_many_at_once_leave_the_newest(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    barrier = threading.Barrier(4)
    retried: list[bool] = []

    def deliver(numbers: range) -> None:
        barrier.wait()
        for number in numbers:
            upload = S3Object(UPLOADS, KEY, sequencer=f"{number:04X}")
            while classify_objects([upload], invocation, s3_app, source="test")[0].retry:
                retried.append(True)

    threads = [threading.Thread(target=deliver, args=(range(first, 20, 4),)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_result(KEY)["source"]["sequencer"] == "0013"


def test_losing_the_race_time_and_again_is_left_for_later(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    s3_proxy.faults = [refuses(f"PUT {RESULTS}", 412, "PreconditionFailed")]
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == ["retry"]
    assert s3_proxy.count(f"PUT {RESULTS}") == 5


def test_tags_are_set_if_wanted_and_only_for_what_was_classified(
    s3: "S3Client", s3_app: App, invocation: Invocation, monkeypatch: pytest.MonkeyPatch, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg, "cat.jpg")
    put(s3, b"no photo", "no.jpg")
    uploads = [S3Object(UPLOADS, "cat.jpg"), S3Object(UPLOADS, "no.jpg")]
    classify(s3_app, invocation, *uploads)
    assert s3.get_object_tagging(Bucket=UPLOADS, Key="cat.jpg")["TagSet"] == []
    monkeypatch.setattr(s3_app, "settings", s3_app.settings._replace(result_tags=True))
    (attempt, _) = classify_objects(uploads, invocation, s3_app, source="test")
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=UPLOADS, Key="cat.jpg")["TagSet"]}
    assert isinstance(attempt.answer, Prediction)
    assert tags == {"label": "cat", "probability": f"{attempt.answer.probability:.6f}"}
    assert s3.get_object_tagging(Bucket=UPLOADS, Key="no.jpg")["TagSet"] == []


@pytest.mark.parametrize(
    ("new", "old", "wins"),
    [
        ({"sequencer": "0B"}, {"sequencer": "0A"}, True),
        ({"sequencer": "0A"}, {"sequencer": "0B"}, False),
        ({"sequencer": "0A"}, {"sequencer": "0A00"}, True),
        ({"sequencer": "0a1"}, {"sequencer": "0A0FFF"}, True),
        ({"sequencer": "0A", "last_modified": "2026"}, {"sequencer": "0B", "last_modified": "2025"}, False),
        ({"last_modified": "2026"}, {"sequencer": "0B", "last_modified": "2025"}, True),
        ({"last_modified": "2025"}, {"sequencer": "0B", "last_modified": "2026"}, False),
        ({"sequencer": "0B", "last_modified": "2026"}, {}, True),
        ({"sequencer": "0B"}, {"last_modified": "2026"}, False),
        ({}, {}, True),
        ({"sequencer": 5}, {"sequencer": "0B"}, True),
    ],
)
def test_which_of_two_states_is_newer(new: dict[str, Any], old: dict[str, Any], wins: bool) -> None:
    assert supersedes({"source": new, "label": "cat"}, {"source": old, "label": "dog"}) is wins


@pytest.mark.parametrize("old", [None, [], {}, {"source": None}, {"source": "x"}, {"label": "cat"}])
def test_what_is_no_result_is_older_than_any(old: Any) -> None:
    assert supersedes({"source": {}, "error": {}}, old)


@given(st.text("0123456789ABCDEF", min_size=1), st.text("0123456789ABCDEF", min_size=1))
def test_sequencers_have_one_order(one: str, other: str) -> None:
    """Read as hexadecimal fractions, which padding on the right makes of them."""
    newer, older = ({"source": {"sequencer": sequencer}, "error": {}} for sequencer in (one, other))
    first, second = int(one.ljust(99, "0"), 16), int(other.ljust(99, "0"), 16)
    assert supersedes(newer, older) is (first >= second)


@given(st.text())
def test_no_two_photos_share_a_result(key: str) -> None:
    assert result_key(S3Object("a", key), "p/") == f"p/a/{key}.json"
