"""python -m tests.stacks.guard ENVIRONMENT: AWS Control Tower's rules for cfn-guard, over every template.

The rules and the program come in the wheel of cdklabs.cdk-validator-cfnguard, which ENVIRONMENT has. They cannot see
through conditions: each template is looked at with everything switched on that makes it safer.
"""

import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tests.stacks.cloudformation import Meaning, Template, read
from tests.stacks.translation import by_sam

KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
SWITCHED_ON = {
    "AliasArn": "arn:aws:lambda:us-east-1:123456789012:function:classify:live",
    "BacklogBuckets": "photos",
    "Cidr": "10.20.0.0/20",
    "CustomerManagedKey": "true",
    "DomainName": "pets.example.org",
    "KeyArn": KEY,
    "VpcCidr": "10.20.0.0/20",
}

# What the templates do otherwise, by the rule's control, and why.
EXCEPTIONS = {
    "ct-cloudfront-pr-1": "the API answers at /",
    "ct-cloudfront-pr-4": "there is one origin",
    "ct-cloudfront-pr-5": "the API's access log has each request",
    "ct-cloudwatch-pr-2": "LogRetentionDays is for the deployer; the rule wants a year",
    "ct-cloudwatch-pr-3": "the key is another stack's, where the rule does not look",
    "ct-ec2-pr-5": "answers of servers come in at any high port, and a security group lets in nothing else",
    "ct-iam-pr-5": "CloudFormation's own role makes, changes and removes all that the templates name",
    "ct-kms-pr-3": "the account's policies decide, as in the key policy that AWS makes",
    "ct-lambda-pr-2": "the permission names the API, whose ARN has the account",
    "ct-lambda-pr-3": "only the function that fetches from URLs has a use for a VPC",
    "ct-s3-pr-2": "who reads and writes objects is for CloudTrail's data events, for the whole account",
    "ct-s3-pr-4": "results trigger nothing",
    "ct-s3-pr-8": "the rule cannot read a Sub; test_storage.py checks the policies",
    "ct-s3-pr-9": "people may ask for their photos to be deleted",
    "ct-s3-pr-10": "the bucket of templates, which are public",
    "ct-s3-pr-11": "the bucket of templates, which sam names by their content",
    "ct-sqs-pr-1": "the dead-letter queue has no other",
}


def unpack(environment: Path, folder: Path) -> tuple[Path, Path]:
    """The program and its rules, out of the wheel's JavaScript package."""
    (package,) = environment.glob("lib/python*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")
    system = "macos" if platform.system() == "Darwin" else "ubuntu"
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return folder / "package" / "bin" / system / machine / "cfn-guard", folder / "package" / "rules"


def failed(program: Path, rules: Path, template: Path) -> set[str]:
    """The controls that a template fails."""
    done = subprocess.run(
        [program, "validate", "--rules", rules, "--data", template, "--show-summary", "fail"],
        capture_output=True,
        text=True,
        check=False,
    )
    # It ends with 0 or 19, and with another number when it could not look.
    if done.returncode not in (0, 19) or "Error" in done.stderr:
        raise SystemExit(f"cfn-guard ended with {done.returncode}: {done.stderr}")
    return set(re.findall(r"^(ct-[\w-]+)\.guard/\w+ +FAIL$", done.stdout, re.MULTILINE))


def templates() -> Iterator[tuple[str, Template]]:
    """The name of each template's file, and its resources with everything switched on."""
    for file in [ROOT / "template.yaml", *sorted((ROOT / "stacks").glob("*.yaml"))]:
        template = read(file)
        known = {key: value for key, value in SWITCHED_ON.items() if key in template["Parameters"]}
        if "Transform" in template:
            (template,) = by_sam(file, [known])
        yield file.name, Meaning(template, known).resources()


def main(environment: str) -> int:
    """Say which template fails which control that is no exception; gives the exit status."""
    found: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        program, rules = unpack(Path(environment), Path(name))
        for file, resources in templates():
            evaluated = Path(name) / f"{file}.json"
            evaluated.write_text(json.dumps({"Resources": resources}))
            for control in failed(program, rules, evaluated):
                found.setdefault(control, set()).add(file)
    for control in sorted(found.keys() - EXCEPTIONS.keys()):
        sys.stdout.write(f"{control} fails: {', '.join(sorted(found[control]))}\n")
    for control in sorted(EXCEPTIONS.keys() - found.keys()):
        sys.stdout.write(f"{control} is an exception that nothing needs\n")
    return 1 if found.keys() ^ EXCEPTIONS.keys() else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
