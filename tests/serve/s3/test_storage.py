"""S3 through the real client: against moto, and against a proxy that misbehaves as moto cannot."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serve.errors import (
    ImageTooLargeError,
    MalformedRequestError,
    NotFoundError,
    ProblemError,
    UnreadableObjectError,
)
from serve.s3 import storage
from serve.s3.faults import TransientFaultError
from tests.serve.s3_servers import RESULTS, UPLOADS, Fault, Proxy, breaks_off, endless, refuses, stalls

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen + Rex.jpg"


def read(key: str = KEY, max_bytes: int = 1000) -> bytes:
    return storage.get(UPLOADS, key).read(max_bytes)


def test_an_object_comes_with_all_that_is_known_of_it(s3: "S3Client") -> None:
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"first")
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"second")
    assert read() == b"second"
    found = storage.get(UPLOADS, KEY, first["VersionId"])
    assert (found.version_id, found.etag) == (first["VersionId"], first["ETag"].strip('"'))
    assert found.last_modified == s3.head_object(Bucket=UPLOADS, Key=KEY, VersionId=first["VersionId"])["LastModified"]
    assert found.read(5) == b"first"


@pytest.mark.parametrize("version", ["", "null", "no-such-version"])
def test_an_object_that_is_not_there(s3: "S3Client", version: str) -> None:
    with pytest.raises(NotFoundError):
        storage.get(UPLOADS, "none.jpg", version)


def test_a_version_that_is_not_there_or_is_a_delete_marker(s3: "S3Client") -> None:
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"first")
    marker = s3.delete_object(Bucket=UPLOADS, Key=KEY)["VersionId"]
    for version in ("no-such-version", marker, ""):
        with pytest.raises(NotFoundError):
            storage.get(UPLOADS, KEY, version)


def test_s3_says_of_a_delete_marker_that_the_method_is_not_allowed(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3_proxy.faults = [refuses("GET", 405, "MethodNotAllowed")]
    with pytest.raises(NotFoundError):
        storage.get(UPLOADS, KEY, "the-marker")


@pytest.mark.parametrize(("bucket", "key"), [("a bucket/", "k"), ("", "k"), (UPLOADS, "")])
def test_names_that_s3_cannot_have(s3: "S3Client", bucket: str, key: str) -> None:
    with pytest.raises(MalformedRequestError):
        storage.get(bucket, key)


def test_an_object_of_just_the_cap_is_read_and_one_byte_more_is_not(s3: "S3Client") -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=bytes(1000))
    assert len(read()) == 1000
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=bytes(1001))
    with pytest.raises(ImageTooLargeError, match="1,000 bytes"):
        read()


def test_bytes_are_counted_when_the_length_is_not_told(s3: "S3Client", s3_proxy: Proxy) -> None:
    sent: list[int] = []
    s3_proxy.faults = [endless(f"GET {UPLOADS}", sent)]
    with pytest.raises(ImageTooLargeError):
        read(max_bytes=100_000)
    # What fills the buffers of the two sockets is sent too.
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (refuses("GET", 403, "AccessDenied"), "AccessDenied"),
        (refuses("GET", 503, "SlowDown"), "SlowDown"),
        (refuses("GET", 500, "InternalError"), "InternalError"),
        (refuses("GET", 400, "InvalidRequest", "Please use another signature."), "another signature"),
        (refuses("GET", 400, "KMS.DisabledException"), "KMS"),
        (breaks_off("GET"), "IncompleteRead|expected"),
    ],
)
def test_what_can_pass_or_be_mended_is_a_transient_fault(
    s3: "S3Client", s3_proxy: Proxy, fault: Fault, message: str
) -> None:
    s3_proxy.faults = [fault]
    with pytest.raises(TransientFaultError, match=message):
        read(max_bytes=10_000)


SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."


@pytest.mark.parametrize(
    ("fault", "kind", "detail"),
    [
        (refuses("GET", 404, "NoSuchBucket"), NotFoundError, "S3 has no such bucket"),
        (refuses("GET", 404, "NoSuchAccessPoint"), NotFoundError, "no such access point"),
        (refuses("GET", 403, "InvalidObjectState"), UnreadableObjectError, "archived. Restore it"),
        (refuses("GET", 400, "InvalidRequest", SSE_C), UnreadableObjectError, "SSE-C"),
        (refuses("GET", 400, "KeyTooLongError"), MalformedRequestError, "of that name"),
        (refuses("GET", 400, "InvalidBucketName"), MalformedRequestError, "of that name"),
        (refuses("GET", 400, "InvalidURI"), MalformedRequestError, "of that name"),
    ],
)
def test_what_never_passes_is_a_problem(
    s3: "S3Client", s3_proxy: Proxy, fault: Fault, kind: type[ProblemError], detail: str
) -> None:
    s3_proxy.faults = [fault]
    with pytest.raises(kind, match=detail):
        read()
    assert len(s3_proxy.requests) == 1


def test_a_result_that_cannot_be_read_is_for_the_deployer_to_mend(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3_proxy.faults = [refuses("GET", 403, "InvalidObjectState")]
    with pytest.raises(TransientFaultError, match=f"{RESULTS}/r.json: The object is archived"):
        storage.get_json(RESULTS, "r.json")


@pytest.mark.parametrize("promised", [0, 500])
def test_a_server_that_stalls_is_given_up(
    s3: "S3Client", s3_proxy: Proxy, monkeypatch: pytest.MonkeyPatch, promised: int
) -> None:
    monkeypatch.setattr(storage, "READ_TIMEOUT_S", 0.1)
    s3_proxy.faults = [stalls("GET", promised)]
    with pytest.raises(TransientFaultError, match=r"[Tt]imeout|timed out"):
        read()


def test_no_server_at_all(s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(TransientFaultError, match="Could not connect"):
        read()


def test_no_credentials(s3: "S3Client", s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.delenv("AWS_ACCESS_KEY_ID")
    s3_environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TransientFaultError, match="credentials"):
        read()


def test_throttling_that_passes_is_not_even_noticed(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"photo")
    s3_proxy.faults = [refuses("GET", 503, "SlowDown", times=1)]
    assert read() == b"photo"


@pytest.mark.parametrize("key", [KEY, "a//b", "100%"])
def test_the_latest_of_some_versions(s3: "S3Client", key: str) -> None:
    s3.put_object(Bucket=UPLOADS, Key=key, Body=b"before there were versions")
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket=UPLOADS, Key=key, Body=b"photo")["VersionId"] for _ in range(2))
    marker = s3.delete_object(Bucket=UPLOADS, Key=key)["VersionId"]
    longer = s3.put_object(Bucket=UPLOADS, Key=f"{key}.jpg", Body=b"photo")["VersionId"]
    assert storage.latest_of({first, second}, UPLOADS, key) == second
    assert storage.latest_of({first, "null"}, UPLOADS, key) == first
    assert storage.latest_of({"null", "gone"}, UPLOADS, key) == "null"
    assert storage.latest_of({marker, longer, "gone"}, UPLOADS, key) == ""
    assert storage.latest_of({first}, "no-such-bucket", key) == ""


def test_versions_that_may_not_be_listed_are_for_the_deployer_to_mend(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3_proxy.faults = [refuses(f"GET {UPLOADS}", 403, "AccessDenied")]
    with pytest.raises(TransientFaultError, match=r"AccessDenied.*ListObjectVersions"):
        storage.latest_of({"v1"}, UPLOADS, KEY)


def test_the_etag_as_it_is_now(s3: "S3Client") -> None:
    assert storage.etag_now(UPLOADS, KEY) == ""
    for body in (b"first", b"second"):
        etag = s3.put_object(Bucket=UPLOADS, Key=KEY, Body=body)["ETag"].strip('"')
        assert storage.etag_now(UPLOADS, KEY) == etag


def test_a_new_file_is_written_once(s3: "S3Client") -> None:
    assert storage.put_json(RESULTS, "r.json", {"ä": 1})
    assert not storage.put_json(RESULTS, "r.json", {"ä": 2})
    stored = storage.get_json(RESULTS, "r.json")
    assert stored is not None
    assert stored.value == {"ä": 1}
    assert s3.head_object(Bucket=RESULTS, Key="r.json")["ContentType"] == "application/json"


def test_a_file_is_replaced_only_if_nobody_else_was_faster(s3: "S3Client") -> None:
    storage.put_json(RESULTS, "r.json", {"n": 1})
    stored = storage.get_json(RESULTS, "r.json")
    assert stored is not None
    assert storage.put_json(RESULTS, "r.json", {"n": 2}, replaces=stored.etag)
    assert not storage.put_json(RESULTS, "r.json", {"n": 3}, replaces=stored.etag)
    s3.delete_object(Bucket=RESULTS, Key="r.json")
    assert not storage.put_json(RESULTS, "r.json", {"n": 4}, replaces=stored.etag)
    assert storage.get_json(RESULTS, "r.json") is None


def test_a_conflict_is_a_lost_race_too(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3_proxy.faults = [refuses("PUT", 409, "ConditionalRequestConflict")]
    assert not storage.put_json(RESULTS, "r.json", {})


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "KeyTooLongError"), (503, "SlowDown")])
def test_what_cannot_be_written_is_a_transient_fault(s3: "S3Client", s3_proxy: Proxy, status: int, code: str) -> None:
    s3_proxy.faults = [refuses("PUT", status, code)]
    with pytest.raises(TransientFaultError, match=code):
        storage.put_json(RESULTS, "r.json", {})


@pytest.mark.parametrize("content", [b"no json", b"\xff\xfe", b"[" * 99_000, bytes(100_001)])
def test_what_is_not_json_has_no_value_but_an_etag(s3: "S3Client", content: bytes) -> None:
    etag = s3.put_object(Bucket=RESULTS, Key="r.json", Body=content)["ETag"]
    assert storage.get_json(RESULTS, "r.json") == storage.StoredJson(None, etag.strip('"'))


def test_tags_are_added_to_those_that_are_there(s3: "S3Client") -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"photo", Tagging="owner=me&label=old")
    assert storage.add_tags(UPLOADS, KEY, "", {"label": "dog"})
    tags = s3.get_object_tagging(Bucket=UPLOADS, Key=KEY)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"owner": "me", "label": "dog"}


def test_tags_for_which_there_is_no_room_are_left_out(s3: "S3Client") -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"photo", Tagging="&".join(f"t{n}=v" for n in range(10)))
    assert not storage.add_tags(UPLOADS, KEY, "", {"label": "dog"})
    assert storage.add_tags(UPLOADS, KEY, "", {"t0": "dog"})


def test_tags_that_s3_does_not_take_are_left_out(s3: "S3Client", s3_proxy: Proxy) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"photo")
    s3_proxy.faults = [refuses("PUT", 400, "InvalidTag")]
    assert not storage.add_tags(UPLOADS, KEY, "", {"label": "cat?"})


def test_tagging_what_has_gone(s3: "S3Client") -> None:
    with pytest.raises(NotFoundError):
        storage.add_tags(UPLOADS, KEY, "", {"label": "dog"})


def test_threads_share_one_client(s3_environment: pytest.MonkeyPatch) -> None:
    clients = []
    start = threading.Barrier(4)

    def use() -> None:
        start.wait()
        clients.append(storage.client())

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in clients}) == 1


@pytest.mark.parametrize(
    ("variable", "style"), [("AWS_ENDPOINT_URL_S3", "path"), ("AWS_ENDPOINT_URL", "path"), ("UNUSED", "auto")]
)
def test_a_stand_in_for_s3_needs_no_name_for_each_bucket(
    s3_environment: pytest.MonkeyPatch, variable: str, style: str
) -> None:
    s3_environment.setenv(variable, "http://localhost:1")
    assert storage.client().meta.config.s3["addressing_style"] == style  # type: ignore[attr-defined]


def test_nothing_of_aws_is_imported_before_it_is_needed(root: Path) -> None:
    code = (
        "import sys, serve.adapters as a\n"
        "assert all(not adapter.infer({}) for adapter in a.ADAPTERS)\n"
        "late = {'botocore', 'boto3', 'serve.s3', 'http'} & set(sys.modules)\n"
        "import serve.s3.objects\n"
        "sys.exit(', '.join(late | {'botocore', 'boto3'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
