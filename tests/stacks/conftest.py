"""The templates, and what SAM's own translator makes of template.yaml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stacks.cloudformation import Template, read
from tests.stacks.translation import by_sam

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cats-vs-dogs@sha256:" + 64 * "0"

# A second value for each parameter; with all of them at once, no rule is broken.
OTHER = {
    "Architecture": "arm64",
    "LogLevel": "DEBUG",
    "LogRetentionDays": "7",
    "UploadRetentionDays": "3",
    "ResultRetentionDays": "30",
    "ApiAuthorization": "JWT",
    "JwtIssuer": "https://issuer.example.org/pool",
    "JwtAudience": "pets,zoo",
    "ApiThrottleRate": "7",
    "ApiThrottleBurst": "9",
    "DomainName": "pets.example.org",
    "HostedZoneId": "Z0123456789ABC",
    "ReserveConcurrency": "false",
    "ApiConcurrency": "31",
    "UploadsConcurrency": "4",
    "BacklogBuckets": "old-photos,older-photos",
    "BacklogConcurrency": "6",
    "ProvisionedConcurrency": "2",
    "ProvisionedConcurrencyMax": "5",
    "ProvisionedConcurrencyStart": "cron(0 7 ? * MON-FRI *)",
    "ProvisionedConcurrencyStop": "cron(0 19 ? * MON-FRI *)",
    "DeploymentPreference": "Canary10Percent5Minutes",
    "ImageUri": IMAGE.replace("0" * 64, "1" * 64),
    "BaseImage": "public.ecr.aws/lambda/python:3.14",
    "VpcCidr": "10.20.0.0/20",
    "CustomerManagedKey": "true",
    "FetchEnabled": "false",
    "UrlAllowedHosts": "*.example.org",
    "CorsAllowOrigin": "https://www.example.org",
    "MaxImageBytes": "5000000",
    "ResultsPrefix": "results/",
    "ResultTags": "true",
    "AlarmEmail": "someone@example.org",
    "MonthlyBudgetUsd": "20",
    "S3EndpointUrl": "http://localhost:5000",
}
# Two of them exclude others.
EVERY_PARAMETER = {**OTHER, "ReserveConcurrency": "true", "FetchEnabled": "true"}


@pytest.fixture(scope="session")
def template(root: Path) -> Template:
    return read(root / "template.yaml")


@pytest.fixture(scope="session")
def stacks(root: Path) -> dict[str, Template]:
    """The other templates, by the names of their files."""
    return {file.stem: read(file) for file in sorted((root / "stacks").glob("*.yaml"))}


@pytest.fixture(scope="session")
def translate(root: Path) -> Callable[[list[dict[str, str]]], list[Template]]:
    """Translates template.yaml by SAM, once for each set of parameters; those that are left out have their defaults."""
    return lambda sets: by_sam(root / "template.yaml", [{"ImageUri": IMAGE} | each for each in sets])
