"""Photos in S3 to results in S3: in any order, twice, at once, half broken, and without time; and nothing lost."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.app import App
from serve.errors import ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3.results import S3Object, classify_objects, result_key, s3_object, supersedes
from serve.s3.storage import TemporaryFaultError
from serve.settings import SettingsError
from tests.serve.s3_servers import RESULTS, UPLOADS, Fault, Proxy, before, breaks_off, refuses, stalls

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen + Rex.jpg"
Read = Callable[[str], Any]
Log = Callable[[], list[Any]]


def put(s3: "S3Client", body: bytes, key: str = KEY) -> str:
    """Upload, and return the version, if the bucket has versions."""
    return s3.put_object(Bucket=UPLOADS, Key=key, Body=body).get("VersionId", "")


def with_versions(s3: "S3Client") -> None:
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})


def classify(app: App, invocation: Invocation, *objects: S3Object) -> list[Any]:
    """The kind of each answer."""
    return [type(outcome.answer) for outcome in classify_objects(objects, invocation, app, source="test")]


def test_a_result_holds_the_prediction_and_all_of_its_source(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    with_versions(s3)
    version = put(s3, cat_jpeg)
    (outcome,) = classify_objects([S3Object(UPLOADS, KEY, version, "", "0A1B")], invocation, s3_app, source="test")
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
    assert isinstance(outcome.answer, Prediction)
    assert result["label"] == outcome.answer.label == "cat"
    assert result["probability"] == round(outcome.answer.probability, 6)
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
    (outcome,) = classify_objects([S3Object(UPLOADS, KEY, etag="e1")], invocation, s3_app, source="test")
    assert not outcome.must_retry
    assert isinstance(outcome.answer, ProblemError)
    result = read_result(KEY)
    assert result["error"] == outcome.answer.problem()
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
        classify(s3_app, invocation, replace(old, sequencer="0A"))
    # With a result there, the first try to write fails anyhow, and the second is the one to outrun.
    skipped = iter([False, True] if there_before else [True])
    s3_proxy.faults = [
        before(
            f"PUT {RESULTS}",
            lambda: next(skipped, False) and classify(s3_app, invocation, new),
            times=2 if there_before else 1,
        )
    ]
    assert not any(outcome.must_retry for outcome in classify_objects([old], invocation, s3_app, source="test"))
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
            while classify_objects([upload], invocation, s3_app, source="test")[0].must_retry:
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
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == [TemporaryFaultError]
    assert s3_proxy.count(f"PUT {RESULTS}") == 5


def test_one_bad_of_ten_takes_none_along(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes, log: Log
) -> None:
    keys = [f"{number}.jpg" for number in range(10)]
    for key in keys:
        put(s3, b"no photo" if key == "4.jpg" else cat_jpeg, key)
    outcomes = classify_objects([S3Object(UPLOADS, key) for key in keys], invocation, s3_app, source="test")
    assert [outcome.source.key for outcome in outcomes] == keys
    assert not any(outcome.must_retry for outcome in outcomes)
    assert ["error" in read_result(key) for key in keys] == [key == "4.jpg" for key in keys]
    lines = log()
    assert [line["key"] for line in lines] == keys
    assert [line.get("error") for line in lines] == ["unsupported-image-type" if k == "4.jpg" else None for k in keys]
    assert all(line["fetch_ms"] > 0 and line["label"] == "cat" for line in lines if "error" not in line)


def test_all_bad(s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read) -> None:
    keys = [f"{number}.jpg" for number in range(10)]
    for key in keys:
        put(s3, b"no photo", key)
    outcomes = classify_objects([S3Object(UPLOADS, key) for key in keys], invocation, s3_app, source="test")
    assert not any(outcome.must_retry for outcome in outcomes)
    assert {read_result(key)["error"]["status"] for key in keys} == {415}


@pytest.mark.parametrize(
    "fault",
    [
        refuses(f"GET {UPLOADS}/4.jpg", 403, "AccessDenied"),
        refuses(f"GET {UPLOADS}/4.jpg", 503, "SlowDown"),
        breaks_off(f"GET {UPLOADS}/4.jpg"),
        refuses(f"PUT {RESULTS}/v1/{UPLOADS}/4.jpg", 403, "AccessDenied"),
        refuses(f"PUT {RESULTS}/v1/{UPLOADS}/4.jpg", 503, "SlowDown"),
    ],
)
def test_a_passing_fault_is_retried_and_not_recorded(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, cat_jpeg: bytes, fault: Fault, log: Log
) -> None:
    keys = ["3.jpg", "4.jpg", "5.jpg"]
    for key in keys:
        put(s3, cat_jpeg, key)
    uploads = [S3Object(UPLOADS, key) for key in keys]
    s3_proxy.faults = [fault]
    assert classify(s3_app, invocation, *uploads) == [Prediction, TemporaryFaultError, Prediction]
    assert len(s3.list_objects_v2(Bucket=RESULTS)["Contents"]) == 2
    assert log()[1]["error"] == "temporary-fault"
    s3_proxy.faults = []
    assert classify(s3_app, invocation, *uploads) == [Prediction] * 3
    assert len(s3.list_objects_v2(Bucket=RESULTS)["Contents"]) == 3


def test_what_is_not_done_in_time_is_left_for_later(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, cat_jpeg: bytes, read_result: Read, log: Log
) -> None:
    for key in ("slow.jpg", "fast.jpg"):
        put(s3, cat_jpeg, key)
    uploads = [S3Object(UPLOADS, "slow.jpg"), S3Object(UPLOADS, "fast.jpg")]
    s3_proxy.faults = [stalls(f"GET {UPLOADS}/slow.jpg")]
    started = time.monotonic()
    short = Invocation("request-1", deadline=started + 1.5)
    assert classify(s3_app, short, *uploads) == [TemporaryFaultError, Prediction]
    assert time.monotonic() - started < 3
    assert read_result("fast.jpg")["label"] == "cat"
    assert "no time was left" in log()[0]["detail"]


def test_a_deadline_that_has_passed_is_not_begun(s3: "S3Client", s3_app: App, s3_proxy: Proxy, cat_jpeg: bytes) -> None:
    put(s3, cat_jpeg)
    late = Invocation("request-1", deadline=time.monotonic() - 1)
    assert classify(s3_app, late, *[S3Object(UPLOADS, KEY)] * 20) == [TemporaryFaultError] * 20
    time.sleep(0.3)  # whoever had begun would have asked by now
    assert s3_proxy.requests == []


def test_at_most_eight_photos_are_in_memory(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    running: list[int] = []
    most: list[int] = []

    def look() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()

    s3_proxy.faults = [before(f"GET {UPLOADS}", look, times=100)]
    classify(s3_app, invocation, *[S3Object(UPLOADS, KEY, sequencer=f"{n:02X}") for n in range(24)])
    assert 1 < max(most) <= 8


def test_a_fault_of_ours_is_logged_and_retried(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, log: Log
) -> None:
    broken = App.__new__(App)
    broken.settings = s3_app.settings  # and no classifier
    put(s3, b"photo")
    assert classify(broken, invocation, S3Object(UPLOADS, KEY)) == [TemporaryFaultError]
    (line,) = log()
    assert line["error"] == "internal-error"
    assert "AttributeError" in line["traceback"]


def test_results_never_go_where_photos_come_from(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=RESULTS, Key=KEY, Body=cat_jpeg)
    (outcome,) = classify_objects([S3Object(RESULTS, KEY)], invocation, s3_app, source="test")
    assert outcome.must_retry
    assert "Set RESULTS_BUCKET to another bucket" in str(outcome.answer)
    assert s3_proxy.requests == []


def test_without_a_results_bucket_photos_are_refused_and_the_rest_is_not(
    s3_app: App, invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_app, "settings", replace(s3_app.settings, results_bucket=""))
    with pytest.raises(SettingsError, match="RESULTS_BUCKET is not set"):
        classify(s3_app, invocation, S3Object(UPLOADS, KEY))
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY, skip="a reason")) == [type(None)]
    assert classify(s3_app, invocation) == []


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"key": "album/"}, "a folder marker"),
        ({"key": "a.jpg", "size": 0}, "an empty object"),
        ({"key": "a.jpg", "skip": "not a new object: ObjectRemoved:Delete"}, "not a new object: ObjectRemoved:Delete"),
    ],
)
def test_what_is_no_photo_is_passed_over_with_a_line_in_the_log(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, properties: Any, why: str, log: Log
) -> None:
    (outcome,) = classify_objects([s3_object(UPLOADS, **properties)], invocation, s3_app, source="test")
    assert outcome.summary() == {"bucket": UPLOADS, "key": properties["key"], "ignored": why}
    assert s3_proxy.requests == []
    assert log()[0]["ignored"] == why


def test_tags_are_set_if_wanted_and_only_for_what_was_classified(
    s3: "S3Client", s3_app: App, invocation: Invocation, monkeypatch: pytest.MonkeyPatch, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg, "cat.jpg")
    put(s3, b"no photo", "no.jpg")
    uploads = [S3Object(UPLOADS, "cat.jpg"), S3Object(UPLOADS, "no.jpg")]
    classify(s3_app, invocation, *uploads)
    assert s3.get_object_tagging(Bucket=UPLOADS, Key="cat.jpg")["TagSet"] == []
    monkeypatch.setattr(s3_app, "settings", replace(s3_app.settings, result_tags=True))
    (prediction, _) = classify_objects(uploads, invocation, s3_app, source="test")
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=UPLOADS, Key="cat.jpg")["TagSet"]}
    assert isinstance(prediction.answer, Prediction)
    assert tags == {"label": "cat", "probability": f"{prediction.answer.probability:.6f}"}
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
