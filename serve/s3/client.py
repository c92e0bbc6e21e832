"""Reads and writes whole objects of S3, and starts in a fourth of the time of botocore's client.

botocore's client is made from a description of all of S3 and of all endpoints of AWS, and signing with botocore imports
150 modules. Here the standard library sends the two requests that an event needs. `from_env` and `takes` decide where
that is enough; botocore's client does the rest.
"""

import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from serve.s3.connections import Answer, Connections
from serve.s3.signature import Credentials, signed

# Any of these may name another endpoint, another account, another way of signing, or a proxy.
_CONFIGURES: Final = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip
# Of the partition "aws"; the others have other domains.
_REGION: Final = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[0-9]+")
# With a dot in it, a bucket's name does not match the certificate; "--...-s3" ends the names of other kinds of buckets.
_BUCKET: Final = re.compile(r"(?!.*--[a-z0-9]+-s3$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# The bucket is in another region: Amazon S3 API Reference, "Error responses".
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
# AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode.
_TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_TRANSIENT_CODES: Final = frozenset({"RequestTimeout", "RequestTimeoutException"})
_HEADERS: Final = {"ContentType": "content-type", "IfMatch": "if-match", "IfNoneMatch": "if-none-match"}


class OtherRegionError(Exception):
    """The bucket is in another region: ask botocore's client, which finds out in which."""


class S3Requests:
    """`get_object` and `put_object` as botocore's client has them, for an ordinary bucket of one region.

    Args:
        endpoint: of a server that stands in for S3, or empty.
        timeouts_s: to connect, and of silence.
        attempts: at each request.
        max_connections: that stay open between requests.
    """

    def __init__(
        self, credentials: Credentials, region: str, endpoint: str, *,
        timeouts_s: tuple[float, float], attempts: int, max_connections: int,
    ) -> None:  # fmt: skip
        self._credentials = credentials
        self._region = region
        self._endpoint = urlsplit(endpoint)
        self._attempts = attempts
        self._elsewhere: set[str] = set()
        is_secure = self._endpoint.scheme != "http"
        self._connections = Connections(timeouts_s=timeouts_s, most=max_connections, is_secure=is_secure)

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object is one for this client: not an access point's, say, nor in another region."""
        return bool(_BUCKET.fullmatch(bucket) and key) and bucket not in self._elsewhere

    def get_object(self, *, Bucket: str, Key: str, **options: str) -> dict[str, Any]:  # noqa: N803  (as botocore's)
        """The object's properties, and its bytes as a stream.

        Raises:
            OtherRegionError: from then on, `takes` knows.
            ClientError, BotoCoreError: as botocore's client.
        """
        query = f"versionId={quote(options['VersionId'], safe='~')}" if "VersionId" in options else ""
        answer = self._answer("GET", Bucket, Key, query, {}, b"")
        found = answer.headers
        return {
            "ETag": found["ETag"],
            "LastModified": parsedate_to_datetime(found["Last-Modified"]),
            "VersionId": found.get("x-amz-version-id", ""),
            "ContentLength": int(found.get("Content-Length", 0)),
            "Body": answer,
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **options: str) -> None:  # noqa: N803
        """Write an object.

        Raises:
            OtherRegionError: from then on, `takes` knows.
            ClientError, BotoCoreError: as botocore's client.
        """
        headers = {_HEADERS[name]: value for name, value in options.items()}
        self._answer("PUT", Bucket, Key, "", headers, Body).read()

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _place(self, bucket: str, key: str) -> tuple[str, str]:
        """The host that has an object, and its path there."""
        path = f"/{quote(key, safe='/~')}"
        if self._endpoint.netloc:
            return self._endpoint.netloc, f"{self._endpoint.path.rstrip('/')}/{bucket}{path}"
        return f"{bucket}.s3.{self._region}.amazonaws.com", path

    def _answer(
        self, method: str, bucket: str, key: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        host, path = self._place(bucket, key)
        for attempts_left in reversed(range(self._attempts)):
            try:
                answer = self._sent(method, host, path, query, headers, body)
            except (AwsConnectionError, HTTPClientError):
                if not attempts_left:
                    raise
            else:
                if answer.status < 300:
                    return answer
                error = _error(answer, method)
                if error.response["Error"]["Code"] in _ELSEWHERE:
                    self._elsewhere.add(bucket)
                    raise OtherRegionError(bucket) from error
                if not attempts_left or not _may_retry(error, answer.status):
                    raise error
            time.sleep(os.urandom(1)[0] / 256)  # seconds; so that not all failed requests come back at once
        raise ValueError("attempts must be at least 1")

    def _sent(self, method: str, host: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        sent = signed(  # at each attempt: a signature expires
            method, path, query, {**headers, **_trace(), "host": host}, body,
            credentials=self._credentials, region=self._region, now=datetime.now(UTC),
        )  # fmt: skip
        return self._connections.request(method, host, f"{path}?{query}" if query else path, sent, body)


def from_env(*, timeouts_s: tuple[float, float], attempts: int, max_connections: int) -> S3Requests | None:
    """A client for an environment as Lambda makes it: region and keys in variables, and nothing to configure S3.

    Returns:
        None in any other environment.
    """
    env = os.environ
    region = env.get("AWS_DEFAULT_REGION") or env.get("AWS_REGION") or ""
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    if not (key and secret and _REGION.fullmatch(region)) or any(env.get(name) for name in _CONFIGURES):
        return None
    if Path(env.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser().is_file():
        return None
    return S3Requests(
        Credentials(key, secret, env.get("AWS_SESSION_TOKEN")), region, endpoint,
        timeouts_s=timeouts_s, attempts=attempts, max_connections=max_connections,
    )  # fmt: skip


def _trace() -> dict[str, str]:
    """The header by which Lambda finds functions that trigger themselves ("Lambda recursive loop detection")."""
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    return {"x-amzn-trace-id": trace} if trace and "AWS_LAMBDA_FUNCTION_NAME" in os.environ else {}


def _error(answer: Answer, method: str) -> ClientError:
    """What S3 says of a request that failed; botocore's reader of XML is imported for it."""
    from botocore.parsers import RestXMLParser

    body = answer.read()
    shape: Any = None  # errors have one shape for all operations
    response = {"status_code": answer.status, "headers": dict(answer.headers), "body": body}
    return ClientError(RestXMLParser().parse(response, shape), f"{method.title()}Object")


def _may_retry(error: ClientError, status: int) -> bool:
    return status in _TRANSIENT_STATUSES or error.response["Error"]["Code"] in _TRANSIENT_CODES
