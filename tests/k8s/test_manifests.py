"""The manifests are valid, and say what the code says."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from benchmarks.robustness.bill import BARE_MEGABYTES, MAX_MEGABYTES
from local.server import MAX_DECODERS
from serve.fetch.addresses import NOT_PUBLIC_V4
from serve.settings import Settings
from tests.serve.servers import Server, head, serving

MANIFESTS = ("deployment", "service", "hpa", "pdb", "networkpolicy")


def manifest(root: Path, name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((root / "k8s" / f"{name}.yaml").read_text()))


@pytest.fixture
def pod(root: Path) -> dict[str, Any]:
    return dict(manifest(root, "deployment")["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (one,) = pod["containers"]
    return dict(one)


@pytest.fixture
def dockerfile(root: Path) -> str:
    return (root / "k8s" / "Dockerfile").read_text()


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_is_valid(root: Path, name: str) -> None:
    kubernetes_validate.validate(manifest(root, name), "1.34", strict=True)


def test_a_member_that_does_not_exist_would_be_found(root: Path) -> None:
    wrong = manifest(root, "service")
    wrong["spec"]["potrs"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_all_of_them_are_applied_together(root: Path) -> None:
    kustomization = manifest(root, "kustomization")
    assert sorted(kustomization["resources"]) == sorted(f"{name}.yaml" for name in MANIFESTS)
    files = {path.stem for path in (root / "k8s").glob("*.yaml")}
    assert files == {*MANIFESTS, "kustomization"}
    assert kustomization["images"][0]["name"] == "cats-dogs"


def test_all_mean_the_same_pods(root: Path) -> None:
    labels = manifest(root, "deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest(root, "deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest(root, "service")["spec"]["selector"] == labels
    assert manifest(root, "pdb")["spec"]["selector"]["matchLabels"] == labels
    assert manifest(root, "networkpolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest(root, "hpa")["spec"]["scaleTargetRef"]["name"] == manifest(root, "deployment")["metadata"]["name"]


def test_pods_reach_no_address_that_the_code_refuses(root: Path) -> None:
    blocks = manifest(root, "networkpolicy")["spec"]["egress"][1]["to"]
    assert blocks == [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [str(network) for network in NOT_PUBLIC_V4]}}]


def test_probes_ask_for_what_the_contract_has(root: Path, container: dict[str, Any]) -> None:
    paths = json.loads((root / "serve" / "openapi.json").read_text())["paths"]
    for probe in ("startupProbe", "readinessProbe"):
        assert "get" in paths[container[probe]["httpGet"]["path"]]
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]


@pytest.mark.parametrize(("status", "lives"), [(200, True), (503, True), (None, False)])
def test_any_answer_is_a_sign_of_life(container: dict[str, Any], status: int | None, lives: bool) -> None:
    (program, flag, code) = container["livenessProbe"]["exec"]["command"]
    assert (program, flag) == ("python", "-c")
    assert f'"127.0.0.1", {container["ports"][0]["containerPort"]}' in code

    def answer(_server: Server, sock: socket.socket) -> None:
        if status:
            sock.sendall(head(f"{status} Status", Content_Length=0))

    with serving(answer) as server:
        own = code.replace(str(container["ports"][0]["containerPort"]), str(server.port))
        done = subprocess.run([sys.executable, "-c", own], capture_output=True, check=False, timeout=60)
    assert (done.returncode == 0) == lives


def test_the_port_is_the_one_that_the_image_listens_on(root: Path, dockerfile: str, container: dict[str, Any]) -> None:
    (listens,) = re.findall(r'"--port", "(\d+)"', dockerfile)
    assert container["ports"][0]["containerPort"] == int(listens)
    assert manifest(root, "service")["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert manifest(root, "networkpolicy")["spec"]["ingress"][0]["ports"][0]["port"] == int(listens)


def test_settings_are_those_of_the_code_and_can_be_used(container: dict[str, Any]) -> None:
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    assert set(given) <= {name.upper() for name in Settings._fields}
    Settings.from_env(given)


def test_it_has_no_rights_that_it_does_not_need(
    dockerfile: str, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}


def test_memory_suffices_for_the_greediest_photos(container: dict[str, Any]) -> None:
    """Each adds at most what the bill of one photo leaves beside the process's own memory (docs/security.md)."""
    own_mb, a_photo_mb = 75, MAX_MEGABYTES - BARE_MEGABYTES
    limit = container["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert int(limit.removesuffix("Gi")) * 2**30 > (own_mb + MAX_DECODERS * a_photo_mb) * 1e6


def test_requests_under_way_are_answered_before_the_end(dockerfile: str, pod: dict[str, Any]) -> None:
    (graceful,) = re.findall(r'"--timeout-graceful-shutdown", "(\d+)"', dockerfile)
    (one,) = pod["containers"]
    asleep = one["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > asleep + int(graceful)
