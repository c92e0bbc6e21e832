"""The scripts of the deployment workflow, run with AWS's own command line against moto and the local service.

Stand-ins: `docker`, whose push puts an image into moto's ECR; a Lambda service that runs the handler in this process;
and what moves an uploaded photo's notification to it.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

import lambda_function
from tests.e2e import containers
from tests.local_service import local_service
from tests.moto_server import moto_server

SCRIPTS = Path(".github") / "actions" / "deploy-stack"
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cats-vs-dogs"
COMMIT = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",  # pragma: allowlist secret
    "AWS_DEFAULT_REGION": "us-east-1",
}
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 7,
            "digest": "sha256:" + "1" * 64,
        },
        "layers": [],
    }
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def aws_cli() -> str:
    """Version 2 of AWS's command line, as GitHub's machines have it. CI installs it, and jq, if it can."""
    in_ci = os.environ.get("CI", "").lower() == "true"
    if in_ci and not found_aws() and shutil.which("apt-get") and os.geteuid() == 0:
        with containers.installing():
            for command in ("update", "--yes --no-install-recommends install awscli jq"):
                arguments = ["apt-get", "--quiet", *command.split()]
                environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
                subprocess.run(arguments, env=environment, check=True, capture_output=True, timeout=500)
    if not (found := found_aws()) or not shutil.which("jq"):
        pytest.skip("NOT TESTED: the deployment's scripts, which need version 2 of the `aws` command, and jq")
    return found


def found_aws() -> str | None:
    for folder in os.get_exec_path():
        if path := shutil.which("aws", path=folder):
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if version.startswith("aws-cli/2."):
                return path
    return None


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_server() as url:
        yield url


def client(name: Any, url: str) -> Any:
    return boto3.client(
        name,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # pragma: allowlist secret
    )


@pytest.fixture(scope="module")
def functions() -> Iterator[str]:
    """A Lambda service with one function, which is also the part of ECR that has findings."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Functions) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Functions(BaseHTTPRequestHandler):
    """Invoke: API_Invoke in the AWS Lambda API reference. DescribeImageScanFindings: in that of Amazon ECR."""

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = True
        if self.headers.get("x-amz-target", "").endswith(".DescribeImageScanFindings"):
            answer: Any = findings(event)
        elif self.path == "/2015-03-31/functions/classify%3Alive/invocations":
            answer = lambda_function.handler(event, None)
        else:
            answer, known = {}, False
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def findings(asked: dict[str, Any]) -> dict[str, Any]:
    """A page of the findings of an image with two critical vulnerabilities, of which there are two pages."""
    further = {} if "nextToken" in asked else {"nextToken": "second"}
    return {
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {"findingSeverityCounts": {"CRITICAL": 2, "LOW": 150}, "findings": []},
        **further,
    }


@pytest.fixture
def run(aws_cli: str, aws: str, functions: str, root: Path, tmp_path: Path) -> Run:
    """Runs a script with `aws` led to the stand-ins, and with more programs by name: their lines of shell."""
    endpoints = f'case "$1" in lambda) url={functions} ;; *) url={aws} ;; esac'
    programs = {"aws": f'{endpoints}\nexec {aws_cli} --endpoint-url "$url" "$@"'}

    def script(name: str, *arguments: str, more: dict[str, str] | None = None, **environment: str) -> Any:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for program, lines in {**programs, **(more or {})}.items():
            (folder / program).write_text(f"#!/bin/sh\n{lines}\n")
            (folder / program).chmod(0o755)
        own = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
        }
        return subprocess.run(
            [root / SCRIPTS / name, *arguments],
            cwd=root,
            env={**own, **CREDENTIALS, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    return script


@pytest.fixture
def repository(aws: str) -> Iterator[Any]:
    ecr = client("ecr", aws)
    ecr.create_repository(repositoryName="cats-vs-dogs", imageScanningConfiguration={"scanOnPush": True})
    yield ecr
    ecr.delete_repository(repositoryName="cats-vs-dogs", force=True)


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """A `docker` that notes its arguments; a push puts an image into ECR, which scans it."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(MANIFEST)
    push = (
        f'aws ecr put-image --repository-name cats-vs-dogs --image-tag "${{2##*:}}" --image-manifest file://{manifest}'
    )
    scan = 'aws ecr start-image-scan --repository-name cats-vs-dogs --image-id "imageTag=${2##*:}"'
    lines = ['case "$1" in', "login) cat ;;", f"push) {push} && {scan} ;;", "esac >/dev/null"]
    return {"docker": "\n".join([f'echo "$*" >>{tmp_path}/docker', *lines])}


def output(tmp_path: Path) -> str:
    return (tmp_path / "output").read_text()


def test_an_image_is_built_once_and_named_by_its_digest(
    run: Run, repository: Any, docker: dict[str, str], tmp_path: Path
) -> None:
    for _ in range(2):
        done = run("push.sh", more=docker, REPOSITORY=REPOSITORY, GITHUB_SHA=COMMIT)
        assert done.returncode == 0, done.stderr
    (image,) = repository.describe_images(repositoryName="cats-vs-dogs")["imageDetails"]
    assert output(tmp_path) == f"image={REPOSITORY}@{image['imageDigest']}\n" * 2
    called = [line.split()[0] for line in (tmp_path / "docker").read_text().splitlines()]
    assert called == ["login", "build", "push"]


def test_a_critical_finding_ends_the_deployment(
    run: Run, repository: Any, docker: dict[str, str], aws_cli: str, aws: str, functions: str, tmp_path: Path
) -> None:
    endpoints = f'case "$2" in describe-image-scan-findings) url={functions} ;; *) url={aws} ;; esac'
    found = f'{endpoints}\nexec {aws_cli} --endpoint-url "$url" "$@"'
    done = run("push.sh", more={**docker, "aws": found}, REPOSITORY=REPOSITORY, GITHUB_SHA=COMMIT)
    assert done.returncode == 1
    assert "::error::The scan found 2 critical vulnerabilities." in done.stdout
    assert not (tmp_path / "output").exists()


def test_an_image_that_is_given_is_deployed_again(run: Run, tmp_path: Path) -> None:
    given = f"{REPOSITORY}@sha256:{'0' * 64}"
    assert run("push.sh", GIVEN=given, REPOSITORY=REPOSITORY, GITHUB_SHA=COMMIT).returncode == 0
    assert output(tmp_path) == f"image={given}\n"


@pytest.fixture
def stack(aws: str) -> Iterator[Callable[[str], str]]:
    """Creates a stack with the outputs that the smoke test reads; returns its name."""
    cloudformation, s3 = client("cloudformation", aws), client("s3", aws)
    for bucket in ("uploads", "results"):
        s3.create_bucket(Bucket=bucket)
    outputs = {
        "ClassifyFunctionName": "classify",
        "UploadBucketName": "uploads",
        "ResultsLocation": "s3://results/",
    }

    def create(api: str) -> str:
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in {**outputs, "ApiUrl": api}.items()},
        }
        cloudformation.create_stack(StackName="smoke", TemplateBody=json.dumps(template))
        return "smoke"

    yield create
    cloudformation.delete_stack(StackName="smoke")


@pytest.fixture
def label() -> str:
    """What the deployed model answers for a cat."""
    return "cat"


@pytest.fixture
def answering_stack(label: str, stack: Callable[[str], str], aws: str) -> Iterator[Callable[[str], str]]:
    """As `stack`, and each upload gets a result, as from the deployed queue and function. Needs its buckets first."""
    s3, done = client("s3", aws), threading.Event()

    def answer() -> None:
        while not done.wait(0.2):
            for each in s3.list_objects_v2(Bucket="uploads").get("Contents", []):
                photo = s3.get_object(Bucket="uploads", Key=each["Key"])["Body"].read()
                result = json.dumps({"label": label if photo[:3] == b"\xff\xd8\xff" else "none"})
                s3.put_object(Bucket="results", Key=f"uploads/{each['Key']}.json", Body=result.encode())

    thread = threading.Thread(target=answer)
    thread.start()
    yield stack
    done.set()
    thread.join()


def test_a_stack_that_works_passes_the_smoke_test(run: Run, answering_stack: Callable[[str], str]) -> None:
    with local_service() as api:
        done = run("smoke-test.sh", answering_stack(api.url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"status": "ok"' in done.stdout
    assert "direct invocation: {" in done.stdout
    assert "upload: {" in done.stdout


@pytest.mark.parametrize("label", ["pear"])
@pytest.mark.parametrize(("labels", "status"), [(["apple", "pear"], 0), (["apple", "pears"], 1), (["cat", "pear"], 1)])
def test_a_model_that_knows_no_cats_may_answer_any_of_its_labels(
    run: Run, answering_stack: Callable[[str], str], label: str, aws_cli: str, aws: str, labels: list[str], status: int
) -> None:
    answer = f"""for file; do :; done; echo '{{"label": "{label}"}}' >"$file" """
    programs = {
        "curl": f"echo '{json.dumps({'status': 'ok', 'labels': labels})}'",
        "aws": f'case "$1" in lambda) {answer} ;; *) exec {aws_cli} --endpoint-url {aws} "$@" ;; esac',
    }
    done = run("smoke-test.sh", answering_stack("http://127.0.0.1:9"), more=programs)
    assert done.returncode == status, done.stdout + done.stderr
    assert ('::error::direct invocation: {"label": "pear"}' in done.stdout) == bool(status)


def test_a_stack_whose_api_is_down_does_not(run: Run, stack: Callable[[str], str]) -> None:
    done = run("smoke-test.sh", stack("http://127.0.0.1:9"))
    assert done.returncode != 0
    assert "direct invocation" not in done.stdout
