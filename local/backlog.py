"""python -m local.backlog: a job of S3 Batch Operations that classifies the photos which are in buckets already.

It needs a stack that was deployed with `BacklogBuckets` (docs/deployment.md), and rights to create jobs and to pass the
stack's role to them.
"""

import argparse
import csv
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

# No bucket's name has a "_": no result's key, which begins with its photo's bucket, is below it.
FOLDER: Final = "_backlog"

EPILOG: Final = """\
examples:
  python -m local.backlog --stack cats-vs-dogs-prod --bucket old-photos --prefix 2024/
  python -m local.backlog --stack cats-vs-dogs-prod --manifest photos.csv --report all

A manifest is a CSV file without a header: bucket,key or bucket,key,version on each line, keys URL-encoded.

exit status:
  0  the job was created
  2  it was not: a message says why
"""


class BacklogError(Exception):
    """The job cannot be created; the message says why, and what to do."""


@dataclass(frozen=True)
class Stack:
    """What a deployed stack says about its backlog.

    Attributes:
        function_arn: of the alias that the job invokes.
        role_arn: the job's role.
        results_bucket: for results, and for the job's manifest and report.
        buckets: those that the function may read.
    """

    function_arn: str
    role_arn: str
    results_bucket: str
    buckets: tuple[str, ...]

    @property
    def account(self) -> str:
        """The number of the account."""
        return self.role_arn.split(":")[4]

    def bucket_arn(self, bucket: str) -> str:
        """A bucket as S3 Control names it, in the partition of the stack: aws, aws-cn or aws-us-gov."""
        return f"arn:{self.role_arn.split(':')[1]}:s3:::{bucket}"

    @property
    def results_bucket_arn(self) -> str:
        """The results bucket as S3 Control names it."""
        return self.bucket_arn(self.results_bucket)

    def check(self, bucket: str) -> None:
        """Raises:
        BacklogError: the function may not read this bucket.
        """
        if bucket not in self.buckets:
            raise BacklogError(f"{bucket!r} is not one of the stack's BacklogBuckets: {', '.join(self.buckets)}.")


def find_stack(client: Any, name: str) -> Stack:
    """Read a stack's outputs from CloudFormation.

    Raises:
        BacklogError: the stack was deployed without a backlog.
    """
    (found,) = client.describe_stacks(StackName=name)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if "BatchRoleArn" not in outputs:
        raise BacklogError(f"The stack {name} has no backlog. Deploy it with BacklogBuckets=BUCKET,BUCKET,...")
    return Stack(
        function_arn=outputs["BacklogFunctionArn"],
        role_arn=outputs["BatchRoleArn"],
        results_bucket=outputs["ResultsBucketName"],
        buckets=tuple(outputs["BacklogBucketNames"].split(",")),
    )


def listing(stack: Stack, bucket: str, prefix: str) -> dict[str, Any]:
    """Let S3 itself list the photos whose keys begin like this, and keep the list.

    Raises:
        BacklogError: the function may not read this bucket.
    """
    stack.check(bucket)
    generator = {
        "SourceBucket": stack.bucket_arn(bucket),
        "ExpectedBucketOwner": stack.account,
        "EnableManifestOutput": True,
        "ManifestOutputLocation": {
            "Bucket": stack.results_bucket_arn,
            "ManifestPrefix": f"{FOLDER}/manifests",
            "ManifestFormat": "S3InventoryReport_CSV_20211130",
            "ManifestEncryption": {"SSES3": {}},
        },
        "Filter": {"KeyNameConstraint": {"MatchAnyPrefix": [prefix]}} if prefix else {},
    }
    return {"ManifestGenerator": {"S3JobManifestGenerator": generator}}


def upload_manifest(client: Any, stack: Stack, file: Path, token: str) -> dict[str, Any]:
    """Put a manifest into the results bucket, where the job's role can read it.

    Raises:
        BacklogError: its first line is not one of a manifest.
    """
    fields = _fields(file, stack)
    key = f"{FOLDER}/manifests/{token}.csv"
    with file.open("rb") as body:
        # With this encryption, whatever the bucket's own: S3 Batch Operations reads no CSV manifest under a KMS key.
        put = client.put_object(Bucket=stack.results_bucket, Key=key, Body=body, ServerSideEncryption="AES256")
    location = {"ObjectArn": f"{stack.results_bucket_arn}/{key}", "ETag": put["ETag"].strip('"')}
    spec = {"Format": "S3BatchOperations_CSV_20180820", "Fields": fields}
    return {"Manifest": {"Spec": spec, "Location": location}}


def _fields(file: Path, stack: Stack) -> list[str]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            first = next(csv.reader(lines), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BacklogError(f"{file} is no CSV file in UTF-8: {error}.") from error
    if first and first[0].startswith("\ufeff"):
        raise BacklogError(
            f"{file} begins with a byte order mark, which S3 would take for a part of the bucket's name."
        )
    if len(first) not in (2, 3):
        raise BacklogError(
            f"The first line of {file} has {len(first)} fields. A line is bucket,key or bucket,key,version."
        )
    stack.check(first[0])  # a header, too, is no bucket
    return ["Bucket", "Key", "VersionId"][: len(first)]


def create_job(
    client: Any, stack: Stack, photos: Mapping[str, Any], token: str, *, report_all: bool, start: bool
) -> str:
    """Create the job, and give its ID.

    Args:
        client: of S3 Control.
        stack: that the job's function belongs to.
        photos: the manifest, or how to make it.
        token: makes a second call with the same one harmless.
        report_all: whether the report names each photo, or only those that failed.
        start: whether the job runs at once, or waits to be confirmed when S3 has counted the photos.
    """
    created = client.create_job(
        AccountId=stack.account,
        RoleArn=stack.role_arn,
        Operation={"LambdaInvoke": {"FunctionArn": stack.function_arn, "InvocationSchemaVersion": "1.0"}},
        Report={
            "Enabled": True,
            "Bucket": stack.results_bucket_arn,
            "Prefix": f"{FOLDER}/reports",
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks" if report_all else "FailedTasksOnly",
        },
        Priority=10,
        ClientRequestToken=token,
        ConfirmationRequired=not start,
        Description="Classify photos",
        **photos,
    )
    return str(created["JobId"])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m local.backlog",
        description="Classify the photos that are in S3 already, millions if need be: creates a job of S3 Batch\n"
        "Operations. It waits to be confirmed, unless --start is given.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--stack", default="cats-vs-dogs", help="name of the stack (default: %(default)s)")
    photos = p.add_mutually_exclusive_group(required=True)
    photos.add_argument("--bucket", help="classify the photos of this bucket")
    photos.add_argument("--manifest", type=Path, metavar="FILE", help="classify the photos that this CSV file lists")
    p.add_argument("--prefix", default="", help="of --bucket, only keys that begin like this")
    p.add_argument("--report", choices=["failed", "all"], default="failed", help="photos that the report names")
    p.add_argument("--start", action="store_true", help="run the job without asking")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Create the job that the command line asks for; gives the exit status."""
    asked = parser().parse_args(arguments)
    if asked.prefix and asked.bucket is None:
        parser().error("--prefix goes with --bucket")
    session = botocore.session.get_session()
    token = str(uuid.uuid4())
    try:
        stack = find_stack(session.create_client("cloudformation"), asked.stack)
        if asked.bucket is not None:
            photos = listing(stack, asked.bucket, asked.prefix)
        else:
            photos = upload_manifest(session.create_client("s3"), stack, asked.manifest, token)
        job = create_job(
            session.create_client("s3control"),
            stack,
            photos,
            token,
            report_all=asked.report == "all",
            start=asked.start,
        )
    except (BacklogError, BotoCoreError, ClientError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(_next_steps(stack, job, started=asked.start))
    return 0


def _next_steps(stack: Stack, job: str, *, started: bool) -> str:
    of_job = f"--account-id {stack.account} --job-id {job}"
    lines = [f"Job {job}", "", "Watch it:", f"  aws s3control describe-job {of_job}"]
    if not started:
        lines += ["Confirm it, when its status is Suspended and its number of tasks is what you expect:"]
        lines += [f"  aws s3control update-job-status {of_job} --requested-job-status Ready"]
    lines += ["Read its report:", f"  aws s3 ls s3://{stack.results_bucket}/{FOLDER}/reports/job-{job}/ --recursive"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
