"""S3: a photo in, a result out. The client is made at the first use: a request that brings its photo needs none.

`serve.s3.faults` lists the errors that leave here.
"""

import json
import os
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, cast

from serve.errors import ImageTooLargeError, NotFoundError, ProblemError
from serve.s3 import faults
from serve.s3.faults import TransientFaultError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from serve.s3.client import S3Requests

# S3 mostly answers within 200 ms (Amazon S3 User Guide, "Performance guidelines"). The sender of the event retries over
# minutes, so it does not pay to wait or to insist here.
CONNECT_TIMEOUT_S: float = 2.0
READ_TIMEOUT_S: float = 5.0
_ATTEMPTS: Final = 2

MAX_CONNECTIONS: Final = 16

_MAX_RESULT_BYTES: Final = 10_000_000  # one of 100,000 labels has half of that, one of two a kilobyte
_MAX_TAGS: Final = 10  # Amazon S3 User Guide, "Categorizing your objects using tags"
# Another writer was faster (Amazon S3 User Guide, "How to prevent object overwrites with conditional writes").
# "NoSuchKey" comes when what was to be replaced has been deleted.
_LOST_RACE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})

_lock = threading.Lock()


class _Stream(Protocol):
    def read(self, amt: int | None = None) -> bytes: ...

    def close(self) -> None: ...


class StoredObject(NamedTuple):
    """An object whose bytes are still to be read.

    Attributes:
        version_id: empty in a bucket without versions.
        etag: without its quotes.
        last_modified: when it was put there.
        length: in bytes; 0 if S3 does not state it.
        asked: when S3 was asked for it, in seconds of `time.perf_counter()`.
    """

    version_id: str
    etag: str
    last_modified: datetime
    length: int
    asked: float
    stream: _Stream

    def read(self, max_bytes: int) -> bytes:
        """All of the object.

        Raises:
            ImageTooLargeError: more than `max_bytes`; then none or not much more than these have been read.
            TransientFaultError: the transfer broke off.
        """
        # A length that is too large saves the transfer. The bytes count, because they fill the memory.
        with closing(self.stream):
            data = b"" if self.length > max_bytes else self._first(max_bytes + 1)
        if max(self.length, len(data)) > max_bytes:
            raise ImageTooLargeError.over(max_bytes)
        return data

    def _first(self, max_bytes: int) -> bytes:
        data = bytearray()
        with faults.translated():
            # Read to the empty chunk at the end: only that read notices a transfer that broke off.
            while chunk := self.stream.read(max_bytes - len(data)):
                data += chunk
        return bytes(data)


class StoredJson(NamedTuple):
    """A JSON file as it was when it was read; `value` is None if it is not JSON."""

    value: Any
    etag: str


def get(bucket: str, key: str, version_id: str = "") -> StoredObject:
    """Open an object, at a version of it or at the latest.

    Raises:
        NotFoundError: there is no such bucket, object or version.
        UnreadableObjectError: the object is archived, or encrypted with a key of its owner's.
        MalformedRequestError: these cannot be names of a bucket and an object.
        TransientFaultError: anything else.
    """
    asked = time.perf_counter()
    version: Any = {"VersionId": version_id} if version_id else {}
    # What cannot be a version's name is an invalid argument to S3.
    final = {**faults.FINAL, "InvalidArgument": faults.NOT_FOUND} if version_id else faults.FINAL
    with faults.translated(final):
        found = _ask("get_object", bucket, key, **version)
    return StoredObject(
        version_id=found.get("VersionId", ""),
        etag=found["ETag"].strip('"'),
        last_modified=found["LastModified"].astimezone(UTC),
        length=found.get("ContentLength", 0),
        asked=asked,
        stream=found["Body"],
    )


def etag_now(bucket: str, key: str, version_id: str = "") -> str:
    """The ETag of an object as S3 has it now, or empty if it cannot be read.

    Raises:
        TransientFaultError: S3 did not answer.
    """
    try:
        found = get(bucket, key, version_id)
    except ProblemError:
        return ""
    found.stream.close()
    return found.etag


def latest_of(versions: Container[str], bucket: str, key: str) -> str:
    """Which of these versions of an object S3 stored last; empty if it has none of them.

    Raises:
        TransientFaultError: S3 did not answer, or listing the versions (s3:ListBucketVersions) is not allowed.
    """
    with suppress(ProblemError), faults.translated(faults.FINAL):
        for version in _versions(bucket, key):
            if version in versions:
                return version
    return ""


def _versions(bucket: str, key: str) -> Iterator[str]:
    """The versions of an object, the latest first: "Listing objects in a versioning-enabled bucket" in the Amazon S3
    User Guide.
    """
    for page in client().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        for version in page.get("Versions", ()):
            if version["Key"] != key:  # longer, so that it comes after the last version of this key
                return
            yield version["VersionId"]


def get_json(bucket: str, key: str) -> StoredJson | None:
    """A JSON file, or None if there is none.

    Raises:
        TransientFaultError: it cannot be read.
    """
    try:
        found = get(bucket, key)
    except NotFoundError:
        return None
    except ProblemError as problem:  # an archived result, say: its bucket must be mended
        raise TransientFaultError(f"{bucket}/{key}: {problem.detail}") from problem
    try:
        return StoredJson(json.loads(found.read(_MAX_RESULT_BYTES)), found.etag)
    except (ValueError, RecursionError, ImageTooLargeError):
        return StoredJson(None, found.etag)


def put_json(bucket: str, key: str, value: Mapping[str, Any], *, replaces: str = "") -> bool:
    """Write a JSON file if it does not exist yet, or if it is still the one with the ETag `replaces`.

    Returns:
        Whether it was written. If not, read again what is there.

    Raises:
        TransientFaultError: it cannot be written.
    """
    from botocore.exceptions import ClientError

    condition: Any = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
    body = json.dumps(value, indent=1).encode()
    with faults.translated():
        try:
            _ask("put_object", bucket, key, Body=body, ContentType="application/json", **condition)
        except ClientError as error:
            if faults.code_of(error) in _LOST_RACE:
                return False
            raise
    return True


def add_tags(bucket: str, key: str, version_id: str, tags: Mapping[str, str]) -> bool:
    """Set these tags of an object, and leave its others alone.

    Returns:
        False if there is no room for them (an object has at most 10), or S3 does not take their characters.

    Raises:
        NotFoundError: the object has gone.
        TransientFaultError: anything else.
    """
    from botocore.exceptions import ClientError

    version: Any = {"VersionId": version_id} if version_id else {}
    with faults.translated(faults.FINAL):
        found = client().get_object_tagging(Bucket=bucket, Key=key, **version)["TagSet"]
        merged = {tag["Key"]: tag["Value"] for tag in found} | dict(tags)
        if len(merged) > _MAX_TAGS:
            return False
        tag_set: Any = [{"Key": name, "Value": value} for name, value in merged.items()]
        try:
            client().put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tag_set}, **version)
        except ClientError as error:
            if faults.code_of(error) == "InvalidTag":
                return False
            raise
    return True


def _ask(operation: Literal["get_object", "put_object"], bucket: str, key: str, **options: Any) -> Any:
    """The answer to a request: of the client that starts fast, if it will do, else of botocore's."""
    from serve.s3.client import OtherRegionError

    with _lock:
        fast = _make_fast_client()
    if fast and fast.takes(bucket, key):
        with suppress(OtherRegionError):
            return getattr(fast, operation)(Bucket=bucket, Key=key, **options)
    return getattr(client(), operation)(Bucket=bucket, Key=key, **options)


@cache
def _make_fast_client() -> "S3Requests | None":
    from serve.s3 import client

    return client.from_env(
        timeouts_s=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), attempts=_ATTEMPTS, max_connections=MAX_CONNECTIONS
    )


def client() -> "S3Client":
    """Botocore's client, one in this process, for all threads."""
    with _lock:
        return _make_client()


@cache
def _make_client() -> "S3Client":
    # botocore alone does all that is needed here: with boto3 on top, import and client take a third longer.
    import botocore.session
    from botocore.config import Config

    own_server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=MAX_CONNECTIONS,
        # A server that stands in for S3 has no host name for every bucket.
        s3={"addressing_style": "path" if own_server else "auto"},
    )
    return cast("S3Client", botocore.session.get_session().create_client("s3", config=config))
