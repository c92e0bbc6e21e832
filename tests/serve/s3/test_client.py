"""The client of S3 that starts fast: when it is used, and that it asks what botocore's own client asks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from serve.errors import NotFoundError
from serve.s3 import client, storage
from serve.s3.faults import TransientFaultError
from tests.serve.s3_servers import RESULTS, UPLOADS, Exchange, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = [
    "a.jpg",
    "album one/Mäuschen + Rex.jpg",
    "a//b/../c/./d",
    "~(!*'$&,=;:@)",
    "100%",
    "%41",
    "?versionId=x#y",
    "\x01",
]


def requests_of(proxy: Proxy) -> list[tuple[str, dict[str, str]]]:
    """Lets the proxy note the raw path and the headers of each request."""
    noted: list[tuple[str, dict[str, str]]] = []

    def note(exchange: Exchange) -> bool:
        noted.append((exchange.path, {name.lower(): value for name, value in exchange.headers.items()}))
        return False

    proxy.faults.append(note)
    return noted


def made() -> client.S3Requests | None:
    return client.from_env(timeouts_s=(1, 1), attempts=2, max_connections=4)


@pytest.mark.parametrize("key", KEYS)
def test_it_asks_for_the_same_as_botocores_client(s3: "S3Client", s3_proxy: Proxy, key: str) -> None:
    s3.put_object(Bucket=UPLOADS, Key=key, Body=b"photo")
    noted = requests_of(s3_proxy)
    fast = made()
    assert fast is not None
    found = [client.get_object(Bucket=UPLOADS, Key=key) for client in (fast, storage.client())]
    (path, headers), (its_path, its_headers) = noted
    assert path == its_path
    for name in ("host", "x-amz-content-sha256"):
        assert headers[name] == its_headers[name]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=testing/")
    mine, its = found
    assert mine["Body"].read() == its["Body"].read() == b"photo"
    fast.close()
    assert {name: mine[name] for name in ("ETag", "LastModified", "ContentLength")} == {
        name: its[name] for name in ("ETag", "LastModified", "ContentLength")
    }


@pytest.mark.parametrize("version", ["null", "a b/c+d", "3HL4kqtJvjVBH40Nrjfkd"])
def test_it_asks_for_the_same_version(s3: "S3Client", s3_proxy: Proxy, version: str) -> None:
    noted = requests_of(s3_proxy)
    s3_proxy.faults.append(refuses("GET", 404, "NoSuchVersion"))
    fast = made()
    assert fast is not None
    for either in (fast, storage.client()):
        with pytest.raises(ClientError, match="NoSuchVersion"):
            either.get_object(Bucket=UPLOADS, Key="a.jpg", VersionId=version)
    fast.close()
    assert noted[0][0] == noted[1][0]


def test_temporary_credentials_are_sent_along(s3_proxy: Proxy, s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setenv("AWS_SESSION_TOKEN", "a token")
    s3_proxy.faults = [refuses("GET", 404, "NoSuchKey")]
    noted = requests_of(s3_proxy)
    s3_proxy.faults.reverse()
    with pytest.raises(NotFoundError):
        storage.get(UPLOADS, "a.jpg")
    assert noted[0][1]["x-amz-security-token"] == "a token"
    assert "x-amz-security-token" in noted[0][1]["authorization"]


def test_lambda_can_recognize_a_loop(s3_proxy: Proxy, s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "classify")
    s3_environment.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a:1")
    noted = requests_of(s3_proxy)
    s3_proxy.faults.append(refuses("PUT", 412, "PreconditionFailed"))
    assert not storage.put_json(RESULTS, "r.json", {})
    assert noted[0][1]["x-amzn-trace-id"] == "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a:1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_DEFAULT_REGION", "cn-north-1"),
        ("AWS_DEFAULT_REGION", "us-gov-west-1"), ("AWS_DEFAULT_REGION", ""), ("AWS_PROFILE", "mine"),
        ("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"), ("https_proxy", "http://127.0.0.1:1"),
    ],
)  # fmt: skip
def test_any_other_environment_gets_botocores_client(
    s3_environment: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    assert made() is not None
    s3_environment.delenv("AWS_REGION", raising=False)
    s3_environment.setenv(variable, value)
    assert made() is None


def test_a_configuration_file_gets_botocores_client(s3_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config"
    s3_environment.setenv("AWS_CONFIG_FILE", str(file))
    assert made() is not None
    file.write_text("[default]\n")
    assert made() is None


@pytest.mark.parametrize(
    ("bucket", "key", "is_taken"),
    [
        (UPLOADS, "k", True), ("my-point-abc123-s3alias", "k", True), (UPLOADS, "", False), ("a", "k", False),
        ("with.dots", "k", False), ("Capitals", "k", False), ("fast--use1-az4--x-s3", "k", False),
        ("object-lambda--ol-s3", "k", False), ("arn:aws:s3:us-east-1:123456789012:accesspoint/mine", "k", False),
    ],
)  # fmt: skip
def test_only_ordinary_buckets_are_taken(
    s3_environment: pytest.MonkeyPatch, bucket: str, key: str, is_taken: bool
) -> None:
    fast = made()
    assert fast is not None
    assert fast.takes(bucket, key) is is_taken


def test_in_aws_the_bucket_is_in_the_hosts_name(s3_environment: pytest.MonkeyPatch) -> None:
    """As in the URL that botocore's client would ask for: it is stopped just before."""
    s3_environment.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    s3_environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    fast, asked = made(), []
    assert fast is not None

    def stop(request: Any, **_: Any) -> None:
        asked.append(request.url)
        raise InterruptedError

    storage.client().meta.events.register("before-send.s3.GetObject", stop)
    for key in KEYS:
        with pytest.raises(InterruptedError):
            storage.client().get_object(Bucket=UPLOADS, Key=key)
    assert ["https://" + "".join(fast._place(UPLOADS, key)) for key in KEYS] == asked


@pytest.mark.parametrize(
    ("status", "code"),
    [(301, "PermanentRedirect"), (307, "TemporaryRedirect"), (400, "IllegalLocationConstraintException")],
)
def test_a_bucket_in_another_region_is_left_to_botocores_client(
    s3: "S3Client", s3_proxy: Proxy, status: int, code: str
) -> None:
    s3.put_object(Bucket=UPLOADS, Key="a.jpg", Body=b"photo")
    s3_proxy.faults = [refuses("GET", status, code, times=1)]
    assert storage.get(UPLOADS, "a.jpg").read(10) == b"photo"
    fast = storage._make_fast_client()
    assert fast is not None
    assert not fast.takes(UPLOADS, "a.jpg")
    assert fast.takes(RESULTS, "a.jpg")


@pytest.mark.parametrize(("status", "code", "requests"), [(503, "SlowDown", 2), (403, "AccessDenied", 1)])
def test_only_what_can_pass_is_tried_again(
    s3: "S3Client", s3_proxy: Proxy, status: int, code: str, requests: int
) -> None:
    s3_proxy.faults = [refuses("GET", status, code)]
    with pytest.raises(TransientFaultError, match=code):
        storage.get(UPLOADS, "a.jpg")
    assert len(s3_proxy.requests) == requests


def test_an_error_that_is_no_xml_has_its_status(s3: "S3Client", s3_proxy: Proxy) -> None:
    def gateway(exchange: Exchange) -> bool:
        exchange.send_response(502)
        exchange.send_header("content-length", "4")
        exchange.end_headers()
        exchange.wfile.write(b"oops")
        return True

    s3_proxy.faults = [gateway]
    with pytest.raises(TransientFaultError, match="502"):
        storage.get(UPLOADS, "a.jpg")
