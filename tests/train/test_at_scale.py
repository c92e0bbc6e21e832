"""The jobs of docs/training-at-scale.md are valid, and their flags exist."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import botocore.validate
import kubernetes_validate
import pytest
import yaml

from train import __main__ as cli


def block(root: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", (root / "docs" / "training-at-scale.md").read_text(), re.DOTALL)
    return str(found)


@pytest.fixture
def job(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(block(root, "yaml")))


@pytest.fixture
def training_job(root: Path) -> dict[str, Any]:
    return dict(json.loads(block(root, "json")))


def test_the_kubernetes_job_is_valid(job: dict[str, Any]) -> None:
    kubernetes_validate.validate(job, "1.34", strict=True)


def test_the_sagemaker_job_is_valid(training_job: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    assert model.input_shape is not None
    report = botocore.validate.ParamValidator().validate(training_job, model.input_shape)
    assert not report.has_errors(), report.generate_report()


def test_their_flags_exist_and_what_is_interrupted_is_resumed(
    job: dict[str, Any], training_job: dict[str, Any]
) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    for command, *flags in (container["args"], training_job["AlgorithmSpecification"]["ContainerArguments"]):
        assert command == "train"
        assert cli.parser().parse_args(flags).resume
