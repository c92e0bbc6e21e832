"""Reads and writes whole objects of S3, and starts in half the time of botocore's client.

Each new process builds that client from a description of all of S3 and of all endpoints of AWS. Here botocore signs a
request, sends it and reads the answer. `from_env` and `takes` decide where that is enough; the full client does the
rest.
"""

import os
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.httpsession import URLLib3Session
from botocore.parsers import RestXMLParser
from botocore.response import StreamingBody
from botocore.utils import get_environ_proxies

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

# Any of these may name another endpoint, another account or another way of signing.
_CONFIGURES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
# Of the partition "aws"; the others have other domains.
_REGION: Final = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[0-9]+")
# With a dot in it, a bucket's name does not match the certificate; "--...-s3" ends the names of other kinds of buckets.
_BUCKET: Final = re.compile(r"(?!.*--[a-z0-9]+-s3$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# The bucket is in another region: Amazon S3 API Reference, "Error responses".
_ELSEWHERE: Final = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})
# AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode.
_TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_TRANSIENT_CODES: Final = frozenset({"RequestTimeout", "RequestTimeoutException"})
_HEADERS: Final = {"ContentType": "Content-Type", "IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}


class OtherRegionError(Exception):
    """The bucket is in another region: ask botocore's client, which finds out in which."""


class Credentials(NamedTuple):
    """As `botocore.auth` wants them."""

    access_key: str
    secret_key: str
    token: str | None


class S3Requests:
    """`get_object` and `put_object` as botocore's client has them, for an ordinary bucket of one region.

    Args:
        endpoint: of a server that stands in for S3, or empty.
        timeouts_s: to connect, and of silence.
        attempts: at each request.
    """

    def __init__(
        self, credentials: Credentials, region: str, endpoint: str, *,
        timeouts_s: tuple[float, float], attempts: int, max_connections: int,
    ) -> None:  # fmt: skip
        self._auth = S3SigV4Auth(cast("ReadOnlyCredentials", credentials), "s3", region)
        self._region = region
        self._endpoint = endpoint.rstrip("/")
        self._attempts = attempts
        self._elsewhere: set[str] = set()
        options: Any = {
            "verify": os.environ.get("AWS_CA_BUNDLE") or True,
            "timeout": timeouts_s,
            "proxies": get_environ_proxies(endpoint or self._url("any", "")),
            "max_pool_connections": max_connections,
        }
        self._http = URLLib3Session(**options)

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object is one for this client: not an access point's, say, nor in another region."""
        return bool(_BUCKET.fullmatch(bucket) and key) and bucket not in self._elsewhere

    def get_object(self, *, Bucket: str, Key: str, **options: str) -> dict[str, Any]:  # noqa: N803  (as botocore's)
        """The object's properties, and its bytes as a stream.

        Raises:
            OtherRegionError: from then on, `takes` knows.
            ClientError, BotoCoreError: as botocore's client.
        """
        query = {"versionId": options["VersionId"]} if "VersionId" in options else {}
        answer = self._answer("GET", Bucket, Key, query, {}, b"")
        found = answer.headers
        length: Any = found.get("Content-Length")
        return {
            "ETag": found["ETag"],
            "LastModified": parsedate_to_datetime(found["Last-Modified"]),
            "VersionId": found.get("x-amz-version-id", ""),
            "ContentLength": int(length or 0),
            "Body": StreamingBody(answer.raw, length),
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **options: str) -> None:  # noqa: N803
        """Write an object.

        Raises:
            OtherRegionError: from then on, `takes` knows.
            ClientError, BotoCoreError: as botocore's client.
        """
        headers = {_HEADERS[name]: value for name, value in options.items()}
        self._answer("PUT", Bucket, Key, {}, headers, Body)

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _url(self, bucket: str, key: str) -> str:
        path = quote(key, safe="/~")
        if self._endpoint:
            return f"{self._endpoint}/{bucket}/{path}"
        return f"https://{bucket}.s3.{self._region}.amazonaws.com/{path}"

    def _answer(
        self, method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> AWSResponse:
        url = self._url(bucket, key) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        for attempts_left in reversed(range(self._attempts)):
            try:
                answer = self._sent(method, url, headers, body)
            except (AwsConnectionError, HTTPClientError):
                if not attempts_left:
                    raise
            else:
                if answer.status_code < 300:
                    return answer
                error = _error(answer, method)
                if error.response["Error"]["Code"] in _ELSEWHERE:
                    self._elsewhere.add(bucket)
                    raise OtherRegionError(bucket) from error
                if not attempts_left or not _is_transient(error, answer.status_code):
                    raise error
            time.sleep(os.urandom(1)[0] / 256)  # seconds; so that not all failed requests come back at once
        raise ValueError("attempts must be at least 1")

    def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> AWSResponse:
        request = AWSRequest(method, url, {**headers, **_trace()}, body, stream_output=method == "GET")
        self._auth.add_auth(request)  # at each attempt: a signature expires
        return self._http.send(request.prepare())


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
    return {"X-Amzn-Trace-Id": trace} if trace and "AWS_LAMBDA_FUNCTION_NAME" in os.environ else {}


def _error(answer: AWSResponse, method: str) -> ClientError:
    shape: Any = None  # errors have one shape for all operations
    response = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.content}
    return ClientError(RestXMLParser().parse(response, shape), f"{method.title()}Object")


def _is_transient(error: ClientError, status: int) -> bool:
    return status in _TRANSIENT_STATUSES or error.response["Error"]["Code"] in _TRANSIENT_CODES
