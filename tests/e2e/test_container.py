"""The image as it is built and run: `sam build`, `sam local invoke`, `sam local start-api`, on a real container engine.

Slow (some minutes). Skipped, with the reason, where there is no engine.
"""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import free_port
from tests.e2e import containers

SAMPLE_URL = "https://upload.wikimedia.org/wikipedia/commons/3/3a/Cat03.jpg"
UPLOADS, KEY, RESULTS = "cats-dogs-uploads", "album one/Mäuschen & Rex.jpg", "results"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}

IMAGE = "classifyfunction:latest"

Sam = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def sam_is_installed(root: Path) -> None:
    if not (root / ".venv" / "sam" / "bin" / "sam").exists():
        pytest.skip("NOT TESTED: the container, which needs .venv/sam, which `make test` makes")


@pytest.fixture(scope="module")
def aws(engine: str) -> Iterator[int]:
    """Moto as a server that containers reach, with S3 and the photo that the sample events name; yields its port.

    `sam local` asks its STS for the account's number.
    """
    server = ThreadedMotoServer("0.0.0.0", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="module")
def s3(aws: int, root: Path) -> Iterator[Any]:
    client: Any = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{aws}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    for bucket in (UPLOADS, RESULTS):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=UPLOADS, Key=KEY, Body=(root / "examples" / "cat.jpg").read_bytes())
    yield client
    client.close()


@pytest.fixture(scope="module")
def photos(engine: str, root: Path) -> Iterator[int]:
    """A web server with the photo, which containers reach; yields its port."""
    handler = partial(QuietHandler, directory=root / "examples")
    with ThreadingHTTPServer(("0.0.0.0", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def sam_environment(engine: str, aws: int) -> dict[str, str]:
    """Without a developer's own account, and without telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return (
        kept
        | CREDENTIALS
        | {
            "DOCKER_HOST": engine,
            "SAM_CLI_TELEMETRY": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{aws}",
        }
    )


@pytest.fixture(scope="module")
def sam(root: Path, sam_environment: dict[str, str]) -> Sam:
    """Runs `sam` to its end; returns what it printed."""

    def run(*arguments: str | Path) -> str:
        command = [root / ".venv" / "sam" / "bin" / "sam", *arguments]
        done = subprocess.run(
            command, cwd=root, env=sam_environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="module")
def template(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template in a copy of the project that only its owner may read, as umask 077 leaves a clone."""
    copy = tmp_path_factory.mktemp("private") / "project"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    shutil.copy(root / ".dockerignore", copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return copy / "template.yaml"


Build = Callable[..., Path]


@pytest.fixture(scope="module")
def build(sam: Sam, template: Path, engine: str, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds the image on the base of a stage; returns the template that names it."""

    def run(stage: str, *more: str) -> Path:
        folder = tmp_path_factory.mktemp(stage)
        base = containers.base_image(engine, root / "Dockerfile.lambda", stage)
        sam("build", "-t", template, "--build-dir", folder, *more, "--parameter-overrides", f"BaseImage={base}")
        return folder / "template.yaml"

    return run


@pytest.fixture(scope="module")
def built(build: Build) -> Path:
    """The default image, and the template that names it."""
    return build("litert")


@pytest.fixture(scope="module")
def variables(engine: str, aws: int, photos: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function's variables in these tests: the photo server and moto are on the containers' host."""
    host = containers.host_address(engine)
    values = {
        "URL_ALLOWED_NETWORKS": host,
        "URL_ALLOWED_PORTS": str(photos),
        "RESULTS_BUCKET": RESULTS,
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{aws}",
    }
    path = tmp_path_factory.mktemp("variables") / "env.json"
    path.write_text(json.dumps({"Parameters": values}))
    return path


@pytest.fixture(scope="module")
def event_file(
    root: Path, engine: str, photos: int, s3: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A sample event, with the photo that is here and the version that moto gave it."""
    folder = tmp_path_factory.mktemp("events")
    url = f"http://{containers.host_address(engine)}:{photos}/cat.jpg"
    version = s3.head_object(Bucket=UPLOADS, Key=KEY)["VersionId"]

    def make(name: str) -> Path:
        text = (root / "events" / f"{name}.json").read_text(encoding="utf-8").replace(SAMPLE_URL, url)
        text = re.sub(r'(\\*"(?:versionId|version-id|s3VersionId)\\*": ?\\*")[^"\\]+', rf"\g<1>{version}", text)
        path = folder / f"{name}.json"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def last_line(output: str) -> Any:
    return json.loads(output.strip().splitlines()[-1])


def is_cat(answer: Any) -> bool:
    return bool(answer["label"] == "cat" and 0 <= answer["probability"] < 0.5)


@pytest.mark.parametrize(
    ("function", "event", "is_right"),
    [
        ("ClassifyFunction", "url", is_cat),
        ("ClassifyFunction", "http_api_upload", lambda answer: "label" in json.loads(answer["body"])),
        ("ClassifyFunction", "object", is_cat),
        ("ClassifyFunction", "s3_upload", lambda answer: "errorType" not in (answer or {})),
        ("ClassifyUploadsFunction", "sqs_s3", lambda answer: answer == {"batchItemFailures": []}),
        ("ClassifyUploadsFunction", "s3_batch_v2", lambda answer: answer["results"][0]["resultCode"] == "Succeeded"),
    ],
)
def test_sam_local_invoke(
    sam: Sam,
    built: Path,
    variables: Path,
    event_file: Callable[[str], Path],
    s3: Any,
    function: str,
    event: str,
    is_right: Callable[[Any], bool],
) -> None:
    result = {"Bucket": RESULTS, "Key": f"{UPLOADS}/{KEY}.json"}
    s3.delete_object(**result)
    answer = last_line(sam("local", "invoke", function, "-t", built, "-e", event_file(event), "--env-vars", variables))
    assert is_right(answer), answer
    if event in ("s3_upload", "sqs_s3", "s3_batch_v2"):
        assert json.loads(s3.get_object(**result)["Body"].read())["label"] == "cat"


@pytest.fixture(scope="module")
def api(
    root: Path, built: Path, sam_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """`sam local start-api`; yields its port."""
    port = free_port()
    log = tmp_path_factory.mktemp("api") / "log"
    command: list[str | Path] = [
        root / ".venv" / "sam" / "bin" / "sam",
        "local",
        "start-api",
        "-t",
        built,
        "-p",
        str(port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--warm-containers", "LAZY"], cwd=root, env=sam_environment, stdout=output, stderr=output
        )
        try:
            wait_until_it_listens(port, process)
            yield port
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does: it stops its containers too
            process.wait(60)


def wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "`sam local start-api` ended"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise TimeoutError("`sam local start-api` did not open its port")


def test_sam_local_start_api_takes_what_curl_sends(api: int, root: Path) -> None:
    """Binary bodies arrive whole: `sam local` breaks off on them unless the template names their types."""
    photo = root / "examples" / "cat.jpg"
    url = f"http://127.0.0.1:{api}/predict"
    for form in (
        ["-F", f"file=@{photo}"],
        ["--data-binary", f"@{photo}", "-H", "content-type: image/jpeg"],
        ["--data-binary", f"@{photo}", "-H", "content-type: application/octet-stream"],
        ["--json", json.dumps({"image": base64.b64encode(photo.read_bytes()[:100]).decode()})],
    ):
        answer = subprocess.run(
            ["curl", "-sS", "-w", "\n%{http_code}", *form, url], capture_output=True, text=True, timeout=60, check=True
        )
        body, status = answer.stdout.rsplit("\n", 1)
        if form[0] == "--json":  # a photo that is cut off
            assert status == "422"
        else:
            assert status == "200"
            assert is_cat(json.loads(body))


def test_sam_local_start_api_has_the_routes_and_no_other(api: int) -> None:
    def reaches_the_function(path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", api, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        connection.close()
        return response.getheader("x-content-type-options") == "nosniff"  # API Gateway itself does not say so

    assert all(map(reaches_the_function, ("/health", "/openapi.json", "/")))
    assert not reaches_the_function("/nothing")


# The top level of what requirements/serve.txt installs.
PACKAGES = (
    "PIL", "_pi_heif.*", "ai_edge_litert", "botocore", "dateutil", "jmespath", "multipart.py", "pi_heif",
    "pi_heif.libs", "pillow.libs", "six.py", "urllib3", "*.dist-info",
)  # fmt: skip


def test_the_image_carries_the_packages_and_serve_file_for_file(engine: str, built: Path, root: Path) -> None:
    listing = containers.run(engine, IMAGE, "cd /var/task && find . -type f")
    names = {line.removeprefix("./") for line in listing.splitlines() if not line.endswith(".pyc")}
    ours = {name for name in names if not any(fnmatch(name.partition("/")[0], package) for package in PACKAGES)}
    serve = [path for path in (root / "serve").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert ours == {
        "lambda_function.py",
        "models/cats_dogs.tflite",
        *(str(path.relative_to(root)) for path in serve),
    }
    assert {name for name in names if name.startswith("ai_edge_litert/")} == {"ai_edge_litert/libLiteRt.so"}
    assert {name.split("/")[2] for name in names if re.match("botocore/data/[^/]+/", name)} == {"s3"}


def test_every_user_may_read_the_image(engine: str, built: Path) -> None:
    unreadable = "find /var/task ! -perm -a+r -o -type d ! -perm -a+x"
    assert containers.run(engine, IMAGE, unreadable) == ""


def test_the_image_adds_little_to_its_base(engine: str, built: Path, root: Path) -> None:
    base = containers.base_image(engine, root / "Dockerfile.lambda", "litert")
    assert containers.size(engine, IMAGE) - containers.size(engine, base) < 50e6


def test_the_image_with_tflite_runtime(
    sam: Sam, build: Build, variables: Path, event_file: Callable[[str], Path]
) -> None:
    template = build("tflite-runtime", "--config-env", "tflite-runtime")
    for event in ("url", "object"):
        arguments = ("-t", template, "-e", event_file(event), "--env-vars", variables)
        answer = last_line(sam("local", "invoke", "ClassifyFunction", *arguments))
        assert is_cat(answer)
