"""Photos in S3 to results in S3: in any order, twice, at once, half broken, and without time; and nothing lost."""

import functools
import hashlib
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
from serve.errors import MalformedRequestError, NotFoundError, ProblemError, UnreadableObjectError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3 import results, storage
from serve.s3.objects import classify_objects
from serve.s3.results import result_key, supersedes
from serve.s3.storage import StoredObject
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


def test_a_result_of_many_labels_is_read_like_any_other(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Read, cat_jpeg: bytes
) -> None:
    put(s3, cat_jpeg)
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, sequencer="0B"))
    known = read_result(KEY) | {"probabilities": {f"Genus species {number:05}": 0.0 for number in range(10_000)}}
    s3.put_object(Bucket=RESULTS, Key=result_key(S3Object(UPLOADS, KEY), "v1/"), Body=json.dumps(known))
    classify(s3_app, invocation, S3Object(UPLOADS, KEY, sequencer="0A"))
    assert read_result(KEY) == known


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


def test_a_label_becomes_a_tag_that_s3_takes() -> None:
    assert results._tag_value("Käse-Brot 2.5 @home") == "Käse-Brot 2.5 @home"
    assert results._tag_value("cat & dog (both)") == "cat _ dog _both_"
    assert results._tag_value("x" * 300) == "x" * 256


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


def delivered(stored: StoredObject | None, answer: Prediction | ProblemError, app: App, **known: str) -> bool:
    """Write the result of one delivery, with what its event and S3 say."""
    known = {"version_id": stored.version_id} | known if stored else known
    return results.write(S3Object(UPLOADS, KEY, **known), stored, answer, "model", app.settings)


def opened(key: str = KEY, version: str = "") -> StoredObject:
    stored = storage.get(UPLOADS, key, version)
    stored.stream.close()
    return stored


def within_one_second(s3: "S3Client") -> list[StoredObject]:
    """Three uploads of one key, each as S3 has it after its upload, until all have the same whole second."""
    uploads: list[StoredObject] = []
    while len({upload.last_modified for upload in uploads}) != 1:
        uploads = [opened(version=put(s3, body)) for body in (b"first", b"second", b"third")]
    return uploads


LABEL, PROBLEM = Prediction("cat", 0.1, False, "model", 1.0, 1.0), MalformedRequestError("No photo.")


@pytest.fixture(params=["Enabled", "Suspended", None])
def uploads(request: pytest.FixtureRequest, s3: "S3Client") -> list[StoredObject]:
    """Three within one second, in a bucket with versions, with versions suspended, and without."""
    if request.param:
        s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": request.param})
    return within_one_second(s3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_uploads_within_one_second_the_last_stays(
    s3_app: App, read_result: Read, uploads: list[StoredObject], order: tuple[int, ...]
) -> None:
    for number in order:
        delivered(uploads[number], LABEL, s3_app)
    assert read_result(KEY)["source"]["etag"] == uploads[2].etag


@pytest.mark.parametrize("answers", [(LABEL, PROBLEM, PROBLEM), (PROBLEM, LABEL, LABEL)])
def test_the_last_stays_in_every_order_of_deliveries_that_come_twice_with_sequencers_or_without(
    uploads: list[StoredObject], answers: Any
) -> None:
    """Every decision is taken once, with S3; then every order of four deliveries of the three uploads is played."""
    events = [(number, sequencer) for number in range(3) for sequencer in ("", f"0{number}")]
    content = {
        (number, sequencer): results._content(
            S3Object(UPLOADS, KEY, sequencer=sequencer), uploads[number], answers[number], "model"
        )
        for number, sequencer in events
    }
    wins = {pair: supersedes(content[pair[0]], content[pair[1]]) for pair in itertools.product(events, repeat=2)}
    for deliveries in itertools.product(events, repeat=4):
        if {number for number, _ in deliveries} == {0, 1, 2}:
            kept = functools.reduce(lambda old, new: new if wins[new, old] else old, deliveries)
            assert kept[0] == 2, deliveries


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_versions_within_one_second_have_their_order_when_a_delete_marker_is_the_latest(
    s3: "S3Client", s3_app: App, read_result: Read, order: tuple[int, int]
) -> None:
    with_versions(s3)
    uploads = within_one_second(s3)
    s3.delete_object(Bucket=UPLOADS, Key=KEY)
    for number in order:
        delivered(uploads[number], LABEL, s3_app)
    assert read_result(KEY)["source"]["version_id"] == uploads[1].version_id


@pytest.mark.parametrize("newer_first", [True, False])
@pytest.mark.parametrize("unread", [0, 1])
def test_what_s3_did_not_give_has_its_place_in_the_order(
    s3: "S3Client", s3_app: App, read_result: Read, newer_first: bool, unread: int
) -> None:
    """Of an archived version, say, no time is known."""
    with_versions(s3)
    versions = [put(s3, body) for body in (b"first", b"second")]
    for number in (1, 0) if newer_first else (0, 1):
        if number == unread:
            delivered(None, UnreadableObjectError("Archived."), s3_app, version_id=versions[number])
        else:
            delivered(opened(version=versions[number]), LABEL, s3_app)
    assert read_result(KEY)["source"]["version_id"] == versions[1]


def test_a_version_that_has_gone_is_older_than_any(s3: "S3Client", s3_app: App, read_result: Read) -> None:
    with_versions(s3)
    versions = [put(s3, body) for body in (b"first", b"second")]
    delivered(opened(version=versions[0]), LABEL, s3_app)
    s3.delete_object(Bucket=UPLOADS, Key=KEY, VersionId=versions[1])
    assert not delivered(None, NotFoundError("Gone."), s3_app, version_id=versions[1])
    assert read_result(KEY)["label"] == "cat"


def test_a_tie_that_nothing_decides_is_not_overwritten(s3: "S3Client", s3_app: App, read_result: Read) -> None:
    first, second, _ = within_one_second(s3)  # without versions, S3 has the third alone, whose event is to come
    assert delivered(second, LABEL, s3_app)
    assert not delivered(first, LABEL, s3_app)
    assert read_result(KEY)["source"]["etag"] == second.etag


@pytest.mark.parametrize("versioned", [True, False])
def test_tags_are_put_on_the_version_that_was_read(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    monkeypatch: pytest.MonkeyPatch,
    s3_proxy: Proxy,
    cat_jpeg: bytes,
    versioned: bool,
) -> None:
    """The event names no version, and the photo is replaced after it was read."""
    if versioned:
        with_versions(s3)
    version = put(s3, cat_jpeg)
    monkeypatch.setattr(s3_app, "settings", s3_app.settings._replace(result_tags=True))
    s3_proxy.faults = [before(f"PUT {RESULTS}", lambda: put(s3, b"another"))]
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == [Prediction]
    assert s3.get_object_tagging(Bucket=UPLOADS, Key=KEY)["TagSet"] == []
    if versioned:
        tags = s3.get_object_tagging(Bucket=UPLOADS, Key=KEY, VersionId=version)["TagSet"]
        assert {"Key": "label", "Value": "cat"} in tags


@given(st.text(max_size=300))
def test_a_result_is_named_after_its_photo(key: str) -> None:
    assert result_key(S3Object("a", key), "p/") == f"p/a/{key}.json"


# Of up to 1,024 bytes, as S3 takes them; half of them with a result's name that is too long.
LONG_KEYS = st.text("aß猫🐱", min_size=220).map(lambda key: key.encode()[:1024].decode(errors="ignore"))


@given(LONG_KEYS, LONG_KEYS)
def test_long_keys_have_results_of_their_own_that_s3_takes(one: str, other: str) -> None:
    names = [result_key(S3Object("photos", key), "results/") for key in (one, other)]
    assert (names[0] == names[1]) is (one == other)
    for key, name in zip((one, other), names, strict=True):
        assert len(name.encode()) <= 1024
        assert name.startswith(f"results/photos/{key[:200]}")
        assert name.endswith(".json")
        # Nor does a photo get the same result whose key is made to.
        made = name.removeprefix("results/photos/").removesuffix(".json")
        assert result_key(S3Object("photos", made), "results/") != name or made == key


def test_the_result_of_a_long_key_is_at_the_name_that_is_documented(
    s3: "S3Client", s3_app: App, invocation: Invocation, cat_jpeg: bytes
) -> None:
    key = "k" * 1024
    put(s3, cat_jpeg, key)
    assert classify(s3_app, invocation, S3Object(UPLOADS, key)) == [Prediction]
    name = f"v1/{UPLOADS}/{key}"[: 1024 - 70] + "~" + hashlib.sha256(f"{UPLOADS}/{key}".encode()).hexdigest() + ".json"
    content = json.loads(s3.get_object(Bucket=RESULTS, Key=name)["Body"].read())
    assert content["source"]["key"] == key


@pytest.mark.parametrize("code", ["NoSuchKey", "InvalidTag", "InvalidObjectState"])
def test_a_photo_that_cannot_be_tagged_any_more_has_its_result(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    monkeypatch: pytest.MonkeyPatch,
    s3_proxy: Proxy,
    cat_jpeg: bytes,
    code: str,
) -> None:
    put(s3, cat_jpeg)
    monkeypatch.setattr(s3_app, "settings", s3_app.settings._replace(result_tags=True))
    s3_proxy.faults = [refuses(f"PUT {UPLOADS}", 400, code)]
    assert classify(s3_app, invocation, S3Object(UPLOADS, KEY)) == [Prediction]
