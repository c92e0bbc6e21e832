"""The command that creates a job of S3 Batch Operations: against moto as far as it goes, which takes no jobs."""

import json
import threading
import xml.etree.ElementTree as ET  # of what botocore wrote
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import backlog
from tests.moto_server import moto_server

STACK, RESULTS = "cats-vs-dogs-test", "the-results"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:backlog:live"
ROLE = "arn:aws:iam::123456789012:role/batch"
PHOTOS = "old-photos"
NAMESPACE = "{http://awss3control.amazonaws.com/doc/2018-08-20/}"


class S3Control(BaseHTTPRequestHandler):
    """Takes jobs, which moto does not."""

    jobs: list[ET.Element]

    def do_POST(self) -> None:
        assert self.path == "http://123456789012.s3-control.test/v20180820/jobs"
        self.jobs.append(ET.fromstring(self.rfile.read(int(self.headers["content-length"]))))
        body = b"<CreateJobResult><JobId>job-1</JobId></CreateJobResult>"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
        pass


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def s3(moto: str) -> Iterator[Any]:
    """The results bucket, and two stacks: one with a backlog, one without."""
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    s3 = session.client("s3", endpoint_url=moto)
    s3.create_bucket(Bucket=RESULTS)
    cloudformation = session.client("cloudformation", endpoint_url=moto)
    outputs = {
        "BacklogBucketNames": f"{PHOTOS},older-photos",
        "BacklogFunctionArn": FUNCTION,
        "BatchRoleArn": ROLE,
        "ResultsBucketName": RESULTS,
    }
    for name, given in ((STACK, outputs), ("without", {})):
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {key: {"Value": value} for key, value in given.items()},
        }
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.close()
    yield s3
    s3.close()


@pytest.fixture
def jobs(moto: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ET.Element]]:
    """Points the command to moto, and to a server that takes its jobs; gives the jobs."""
    S3Control.jobs = []
    with ThreadingHTTPServer(("127.0.0.1", 0), S3Control) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("http_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",  # pragma: allowlist secret
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_CLOUDFORMATION": moto,
            "AWS_ENDPOINT_URL_S3": moto,
            # As S3 Control wants it, the account's number goes before the host's name: a proxy needs no name.
            "AWS_ENDPOINT_URL_S3_CONTROL": "http://s3-control.test",
            "HTTP_PROXY": f"http://127.0.0.1:{server.server_port}",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield S3Control.jobs
        server.shutdown()
        thread.join()


def text(job: ET.Element, path: str) -> str | None:
    return job.findtext("/".join(NAMESPACE + each for each in path.split("/")))


def test_a_prefix_becomes_a_job_that_lists_the_photos_itself_and_waits(
    jobs: list[ET.Element], capsys: pytest.CaptureFixture[str]
) -> None:
    assert backlog.main(["--stack", STACK, "--bucket", PHOTOS, "--prefix", "2024/"]) == 0
    (job,) = jobs
    assert text(job, "Operation/LambdaInvoke/FunctionArn") == FUNCTION
    assert text(job, "RoleArn") == ROLE
    assert text(job, "ConfirmationRequired") == "true"
    generator = "ManifestGenerator/S3JobManifestGenerator"
    assert text(job, f"{generator}/SourceBucket") == f"arn:aws:s3:::{PHOTOS}"
    assert text(job, f"{generator}/Filter/KeyNameConstraint/MatchAnyPrefix/member") == "2024/"
    assert text(job, f"{generator}/ManifestOutputLocation/Bucket") == f"arn:aws:s3:::{RESULTS}"
    assert text(job, "Report/Bucket") == f"arn:aws:s3:::{RESULTS}"
    assert text(job, "Report/ReportScope") == "FailedTasksOnly"
    out = capsys.readouterr().out
    assert "aws s3control update-job-status --account-id 123456789012 --job-id job-1" in out
    assert f"s3://{RESULTS}/_backlog/reports/job-job-1/" in out


@pytest.mark.parametrize(
    ("line", "fields"),
    [(f"{PHOTOS},2024/a%20cat.jpg", ["Bucket", "Key"]), ("older-photos,b.jpg,v1", ["Bucket", "Key", "VersionId"])],
)
def test_a_manifest_is_put_where_the_job_can_read_it(
    jobs: list[ET.Element], s3: Any, tmp_path: Path, line: str, fields: list[str]
) -> None:
    manifest = tmp_path / "photos.csv"
    manifest.write_text(f"{line}\n")
    assert backlog.main(["--stack", STACK, "--manifest", str(manifest), "--report", "all", "--start"]) == 0
    (job,) = jobs
    assert text(job, "ConfirmationRequired") == "false"
    assert text(job, "Report/ReportScope") == "AllTasks"
    arn = text(job, "Manifest/Location/ObjectArn")
    assert arn is not None
    bucket, key = arn.removeprefix("arn:aws:s3:::").split("/", 1)
    stored = s3.get_object(Bucket=bucket, Key=key)
    assert (bucket, stored["Body"].read()) == (RESULTS, manifest.read_bytes())
    assert key.startswith("_backlog/manifests/")
    assert stored["ServerSideEncryption"] == "AES256"
    assert stored["ETag"].strip('"') == text(job, "Manifest/Location/ETag")
    found = job.findall("/".join(NAMESPACE + each for each in ["Manifest", "Spec", "Fields", "member"]))
    assert [each.text for each in found] == fields


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--stack", "nowhere", "--bucket", PHOTOS], "nowhere"),
        (["--stack", "without", "--bucket", PHOTOS], "Deploy it with BacklogBuckets="),
        (["--stack", STACK, "--bucket", "somebodys"], "'somebodys' is not one of the stack's BacklogBuckets"),
        (["--stack", STACK, "--manifest", "no-such-file.csv"], "no-such-file.csv"),
    ],
)
def test_what_cannot_be_a_job_is_said_and_not_created(
    jobs: list[ET.Element], capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert backlog.main(arguments) == 2
    assert reason in capsys.readouterr().err
    assert jobs == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"bucket,key\n", "'bucket' is not one of"),
        (b"photo.jpg\n", "has 1 fields"),
        (b"", "has 0 fields"),
        (f"{PHOTOS},a.jpg\n".encode("utf-16"), "no CSV file in UTF-8"),
        (b"\x1f\x8b\x08gzip", "no CSV file in UTF-8"),
        (f"{PHOTOS},a.jpg\n".encode("utf-8-sig"), "begins with a byte order mark"),
    ],
)
def test_a_header_a_list_of_keys_or_another_encoding_is_no_manifest(
    jobs: list[ET.Element], capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, reason: str
) -> None:
    manifest = tmp_path / "photos.csv"
    manifest.write_bytes(content)
    assert backlog.main(["--stack", STACK, "--manifest", str(manifest)]) == 2
    assert reason in capsys.readouterr().err
    assert jobs == []


def test_an_empty_bucket_is_none_of_the_stacks(jobs: list[ET.Element], capsys: pytest.CaptureFixture[str]) -> None:
    assert backlog.main(["--stack", STACK, "--bucket", "", "--prefix", "2024/"]) == 2
    assert "'' is not one of" in capsys.readouterr().err
    assert jobs == []


def test_a_prefix_needs_a_bucket() -> None:
    with pytest.raises(SystemExit) as ended:
        backlog.main(["--stack", STACK, "--manifest", "photos.csv", "--prefix", "2024/"])
    assert ended.value.code == 2


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_buckets_are_in_the_partition_of_the_stack(partition: str) -> None:
    role = ROLE.replace("arn:aws:", f"arn:{partition}:")
    stack = backlog.Stack(FUNCTION, role, RESULTS, (PHOTOS,))
    generator = backlog.listing(stack, PHOTOS, "")["ManifestGenerator"]["S3JobManifestGenerator"]
    assert generator["SourceBucket"] == f"arn:{partition}:s3:::{PHOTOS}"
    assert generator["ManifestOutputLocation"]["Bucket"] == f"arn:{partition}:s3:::{RESULTS}"
