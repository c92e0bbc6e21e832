"""Photos in S3, several at a time: half broken, out of time, in the wrong bucket; and nothing lost."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters._records import DeliverAgainError, S3Object, s3_object
from serve.app import App
from serve.errors import NotFoundError, UnreadableObjectError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3.objects import classify_objects
from serve.settings import SettingsError
from tests.serve.s3.deliveries import KEY, classify, put
from tests.serve.s3_servers import RESULTS, UPLOADS, Fault, Proxy, before, breaks_off, refuses, stalls

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Read = Callable[[str], Any]
Log = Callable[[], list[Any]]


def test_one_bad_of_ten_takes_none_along(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes, log: Log
) -> None:
    keys = [f"{number}.jpg" for number in range(10)]
    for key in keys:
        put(s3, b"no photo" if key == "4.jpg" else cat_jpeg, key)
    attempts = classify_objects([S3Object(UPLOADS, key) for key in keys], invocation, s3_app, source="test")
    assert [attempt.summary()["key"] for attempt in attempts] == keys
    assert not any(attempt.retry for attempt in attempts)
    assert ["error" in read_result(key) for key in keys] == [key == "4.jpg" for key in keys]
    lines = log()
    assert [line["key"] for line in lines] == keys
    assert [line.get("error") for line in lines] == ["unsupported-image-type" if k == "4.jpg" else None for k in keys]
    assert all(line["fetch_ms"] > 0 and line["label"] == "cat" for line in lines if "error" not in line)


def test_all_bad(s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read) -> None:
    keys = [f"{number}.jpg" for number in range(10)]
    for key in keys:
        put(s3, b"no photo", key)
    attempts = classify_objects([S3Object(UPLOADS, key) for key in keys], invocation, s3_app, source="test")
    assert not any(attempt.retry for attempt in attempts)
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
    assert classify(s3_app, invocation, *uploads) == [Prediction, "retry", Prediction]
    assert len(s3.list_objects_v2(Bucket=RESULTS)["Contents"]) == 2
    assert log()[1]["error"] == "transient-fault"
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
    assert classify(s3_app, short, *uploads) == ["retry", Prediction]
    assert time.monotonic() - started < 3
    assert read_result("fast.jpg")["label"] == "cat"
    assert "no time was left" in log()[0]["detail"]


def test_a_deadline_that_has_passed_is_not_begun(s3: "S3Client", s3_app: App, s3_proxy: Proxy, cat_jpeg: bytes) -> None:
    put(s3, cat_jpeg)
    late = Invocation("request-1", deadline=time.monotonic() - 1)
    assert classify(s3_app, late, *[S3Object(UPLOADS, KEY)] * 20) == ["retry"] * 20
    time.sleep(0.3)  # a thread that had begun would have asked by now
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
    assert classify(broken, invocation, S3Object(UPLOADS, KEY)) == ["retry"]
    (line,) = log()
    assert line["error"] == "internal-error"
    assert "AttributeError" in line["traceback"]


def test_results_never_go_where_photos_come_from(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=RESULTS, Key=KEY, Body=cat_jpeg)
    (attempt,) = classify_objects([S3Object(RESULTS, KEY)], invocation, s3_app, source="test")
    assert attempt.retry
    assert "Set RESULTS_BUCKET to another bucket" in attempt.retry
    assert s3_proxy.requests == []


def test_without_a_results_bucket_photos_are_refused_and_the_rest_is_not(
    s3_app: App, invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_app, "settings", s3_app.settings._replace(results_bucket=""))
    with pytest.raises(SettingsError, match="RESULTS_BUCKET is not set"):
        classify(s3_app, invocation, S3Object(UPLOADS, KEY))
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY, skip="a reason")) == [type(None)]
    assert classify(s3_app, invocation) == []


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"key": "album/", "size": 0}, "a folder marker"),
        ({"key": "a.jpg", "size": 0}, "an empty object"),
        ({"key": "a.jpg", "skip": "a reason"}, "a reason"),
    ],
)
def test_what_is_no_photo_is_passed_over_with_a_line_in_the_log(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, properties: Any, why: str, log: Log
) -> None:
    (attempt,) = classify_objects([s3_object(UPLOADS, **properties)], invocation, s3_app, source="test")
    assert attempt.summary() == {"bucket": UPLOADS, "key": properties["key"], "ignored": why}
    assert s3_proxy.requests == []
    assert log()[0]["ignored"] == why


def test_thousands_of_parts_that_are_not_understood_do_not_fill_the_log(
    s3_app: App, invocation: Invocation, log: Log
) -> None:
    """A message of 40 kB wrote 12 MB."""
    event = {"Records": [{"eventSource": "aws:s3"}, *[0] * 20_000]}
    with pytest.raises(DeliverAgainError, match=r"^20001 of 20001 are still to do: .* and 19,991 more$") as problem:
        adapters.answer(event, invocation, s3_app)
    assert len(str(problem.value)) < 10_000
    assert len(log()) == 100


@pytest.mark.parametrize(("key", "why"), [("album/", "a folder marker"), ("a.jpg", "an empty object")])
def test_an_object_that_turns_out_to_be_empty_is_passed_over(
    s3: "S3Client", s3_app: App, invocation: Invocation, key: str, why: str, log: Log
) -> None:
    """Events of S3 Batch Operations have no sizes."""
    put(s3, b"", key)
    (attempt,) = classify_objects([s3_object(UPLOADS, key)], invocation, s3_app, source="test")
    assert not attempt.retry
    assert attempt.summary() == {"bucket": UPLOADS, "key": key, "ignored": why}
    assert log()[0]["ignored"] == why
    assert s3.list_objects_v2(Bucket=RESULTS)["KeyCount"] == 0


@pytest.mark.parametrize("size", [None, 1694])
def test_a_key_that_ends_in_a_slash_is_a_photo_if_it_has_bytes(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes, size: int | None
) -> None:
    put(s3, cat_jpeg, "album/")
    assert classify(s3_app, invocation, s3_object(UPLOADS, "album/", size=size)) == [Prediction]
    assert read_result("album/")["label"] == "cat"


@pytest.mark.parametrize(
    ("code", "message", "detail"),
    [("InvalidObjectState", "", "Restore it in S3"), ("InvalidRequest", "a form of Server Side Encryption", "SSE-C")],
)
def test_a_photo_that_s3_does_not_give_has_its_problem_recorded(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    read_result: Read,
    s3_proxy: Proxy,
    cat_jpeg: bytes,
    code: str,
    message: str,
    detail: str,
) -> None:
    put(s3, cat_jpeg)
    s3_proxy.faults = [refuses(f"GET {UPLOADS}", 403, code, message)]
    upload = S3Object(UPLOADS, KEY, sequencer="0A")
    assert classify(s3_app, invocation, upload) == [UnreadableObjectError]
    assert read_result(KEY)["error"]["status"] == 409
    assert detail in read_result(KEY)["error"]["detail"]
    s3_proxy.faults = []
    # The event of its restore has no sequencer.
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == [Prediction]
    assert read_result(KEY)["label"] == "cat"


def test_a_bucket_that_is_missing_is_no_fault_to_retry(s3: "S3Client", s3_app: App, invocation: Invocation) -> None:
    assert classify(s3_app, invocation, S3Object("no-such-bucket", KEY)) == [NotFoundError]


def test_a_missing_results_bucket_is_a_fault_to_retry(
    s3: "S3Client", s3_app: App, invocation: Invocation, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    s3.delete_bucket(Bucket=RESULTS)
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == ["retry"]


def test_each_photo_of_a_batch_has_its_own_time_and_one_cold_start_counts_once(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, cat_jpeg: bytes, log: Log
) -> None:
    for key in ("slow.jpg", "fast.jpg"):
        put(s3, cat_jpeg, key)
    classify(s3_app, Invocation("request-0", deadline=time.monotonic() + 60), S3Object(UPLOADS, "fast.jpg"))
    log()

    def wait_for_the_other() -> None:
        while not s3_proxy.count(f"PUT {RESULTS}/v1/{UPLOADS}/fast.jpg"):
            time.sleep(0.01)
        time.sleep(1)

    s3_proxy.requests.clear()
    s3_proxy.faults = [before(f"GET {UPLOADS}/slow.jpg", wait_for_the_other)]
    cold = Invocation("request-1", deadline=time.monotonic() + 60, cold_start=True)
    classify(
        s3_app, cold, *(S3Object(UPLOADS, key) for key in ("fast.jpg", "slow.jpg")), S3Object(UPLOADS, "x", skip="why")
    )
    fast, slow, skipped = log()
    assert slow["total_ms"] - fast["total_ms"] > 500
    assert fast["total_ms"] > fast["fetch_ms"]
    assert skipped["total_ms"] == 0
    assert [line["cold_start"] for line in (fast, slow, skipped)] == [True, False, False]
