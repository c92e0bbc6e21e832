"""The signature of a request to S3: AWS Signature Version 4, with the body in one piece.

Source: "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk (AWS Signature
Version 4)" in the Amazon S3 API Reference. botocore signs too, but importing it takes a fourth of an S3 event's cold
start.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """An access key; `token` comes with temporary ones."""

    access_key: str
    secret_key: str
    token: str | None


def signed(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, *,
    credentials: Credentials, region: str, now: datetime,
) -> dict[str, str]:  # fmt: skip
    """The headers of a request, with those of its signature.

    Args:
        path: percent-encoded.
        query: percent-encoded, its parameters sorted by name.
        headers: names in lower case, "host" among them; all of them are signed.
        now: in UTC.
    """
    time = f"{now:%Y%m%dT%H%M%SZ}"
    sent = {**headers, "x-amz-content-sha256": sha256(body).hexdigest(), "x-amz-date": time}
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = sorted(sent)
    lines = [method, path, query, *(f"{name}:{' '.join(sent[name].split())}" for name in names)]
    canonical = "\n".join([*lines, "", ";".join(names), sent["x-amz-content-sha256"]])
    scope = (time[:8], region, "s3", "aws4_request")
    to_sign = "\n".join([_ALGORITHM, time, "/".join(scope), sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{'/'.join(scope)}, SignedHeaders={';'.join(names)}, "
        f"Signature={signature}"
    )
    return sent
