"""Signatures against the examples in Amazon's documentation, and against botocore's."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from serve.s3.signature import Credentials, signed

# "Examples: Signature Calculations" on the page that serve/s3/signature.py names.
EXAMPLE = Credentials(
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None
)  # pragma: allowlist secret
HOST = "examplebucket.s3.amazonaws.com"
NOW = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "signature"),
    [
        (
            "GET", "/test.txt", "", {"range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test%24file.text", "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET", "/", "lifecycle=", {}, b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
    ],
)  # fmt: skip
def test_the_documented_examples(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    found = signed(
        method, path, query, {"host": HOST, **headers}, body, credentials=EXAMPLE, region="us-east-1", now=NOW
    )
    assert found["authorization"].rpartition("Signature=")[2] == signature


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(
    key=st.text(min_size=1, max_size=12).filter(lambda key: key.isprintable()),
    version=TEXT | st.none(),
    body=st.binary(max_size=20),
    token=TEXT | st.none(),
    etag=TEXT,
)
def test_botocores_signature(key: str, version: str | None, body: bytes, token: str | None, etag: str) -> None:
    credentials = Credentials("key", "secret", token)
    path, query = f"/{quote(key, safe='/~')}", f"versionId={quote(version, safe='~')}" if version else ""
    url = f"https://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest("PUT", url, {"if-match": etag, "host": HOST}, body)
    its = S3SigV4Auth(credentials, "s3", "eu-west-1")  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
        its.add_auth(request)
    mine = signed(
        "PUT", path, query, {"if-match": etag, "host": HOST}, body,
        credentials=credentials, region="eu-west-1", now=NOW,
    )  # fmt: skip
    assert mine["authorization"] == request.headers["Authorization"]
