"""What tests of more than one file use: sample events, a real app, and S3 as a server of its own."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serve import telemetry
from serve.app import App
from serve.invocation import Invocation
from serve.s3 import storage
from serve.settings import Settings
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, proxy_before

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def sample_event(root: Path) -> Callable[[str], Any]:
    """Reads events/NAME.json at each call: a test may change what it gets."""

    def load(name: str) -> Any:
        return json.loads((root / "events" / f"{name}.json").read_text(encoding="utf-8"))

    return load


@pytest.fixture(scope="session")
def s3_app(model_path: Path) -> App:
    """An app that writes results of photos in S3, and fetches nothing."""
    return App(Settings(model_path=model_path, results_bucket=RESULTS, results_prefix="v1/", fetch_enabled=False))


@pytest.fixture
def invocation() -> Invocation:
    return Invocation("request-1", deadline=time.monotonic() + 60)


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[Any]]:
    """Reads the log lines since the last call, whatever level an app of another test has set."""
    telemetry.set_level("INFO")
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    moto_server = pytest.importorskip("moto.server", reason="needs moto: it is in the dev environment")
    server = moto_server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Credentials that open nothing, and a new client, for a server that the test names."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    forget_s3_clients()
    yield monkeypatch
    forget_s3_clients()


def forget_s3_clients() -> None:
    for make in (storage._make_client, storage._make_fast_client):
        if make.cache_info().currsize and (made := make()):
            made.close()
        make.cache_clear()


@pytest.fixture
def s3_proxy(moto_port: int, s3_environment: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way from the code under test to moto."""
    with proxy_before(moto_port) as proxy:
        s3_environment.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture(scope="session")
def straight_to_moto(moto_port: int) -> Iterator["S3Client"]:
    import boto3

    session = boto3.Session("testing", "testing", region_name="us-east-1")
    client: S3Client = session.client("s3", endpoint_url=f"http://127.0.0.1:{moto_port}")
    yield client
    client.close()


@pytest.fixture
def s3(straight_to_moto: "S3Client", s3_proxy: Proxy) -> "S3Client":
    """The test's own client, past the proxy; moto has the two buckets and nothing in them."""
    reset = urllib.request.Request(f"{straight_to_moto.meta.endpoint_url}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    for bucket in (UPLOADS, RESULTS):
        straight_to_moto.create_bucket(Bucket=bucket)
    return straight_to_moto


@pytest.fixture
def read_result(s3: "S3Client") -> Callable[[str], Any]:
    """Reads the result of an upload by its key."""

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket=RESULTS, Key=f"v1/{UPLOADS}/{key}.json")["Body"].read())

    return read


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("cryptography")
    from tests.serve.certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority"))
