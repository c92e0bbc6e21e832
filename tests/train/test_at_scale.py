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
from train import workers


def blocks(root: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (root / "docs" / "training-at-scale.md").read_text(), re.DOTALL)


def merged(one: Any, other: Any) -> Any:
    """Both of two objects; in lists, the elements one by one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in one | other}
    if isinstance(one, list) and isinstance(other, list):
        return [merged(a, b) for a, b in zip(one, other, strict=True)]
    return one if other is None else other


@pytest.fixture
def job(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(blocks(root, "yaml")[0]))


@pytest.fixture
def job_of_pods(root: Path) -> dict[str, Any]:
    one, several = (yaml.safe_load(block) for block in blocks(root, "yaml"))
    return dict(merged(one, several))


@pytest.fixture
def training_job(root: Path) -> dict[str, Any]:
    return dict(json.loads(blocks(root, "json")[1]))


def test_the_kubernetes_jobs_are_valid(job: dict[str, Any], job_of_pods: dict[str, Any]) -> None:
    kubernetes_validate.validate(job, "1.34", strict=True)
    kubernetes_validate.validate(job_of_pods, "1.34", strict=True)


def test_their_machines_are_clusters(root: Path, job_of_pods: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    index, config = job_of_pods["spec"]["template"]["spec"]["containers"][0]["env"]
    assert index["name"] == "INDEX"
    of_pods = config["value"].replace("$(INDEX)", "1")
    for text in (blocks(root, "json")[0], of_pods):
        monkeypatch.setenv("TF_CONFIG", text)
        assert workers.count() == 2
    name, subdomain = job_of_pods["metadata"]["name"], job_of_pods["spec"]["template"]["spec"]["subdomain"]
    addresses = [f"{name}-{number}.{subdomain}:2222" for number in range(job_of_pods["spec"]["completions"])]
    assert json.loads(of_pods)["cluster"]["worker"] == addresses


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
