"""Several workers train the network of one; whatever stops one of them stops all, and nothing is lost."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import keras
import pytest

from tests.conftest import free_port, make_photos
from tests.train import worker
from tests.train.conftest import Train
from train import devices, workers

FLAGS = ["--model", "baseline", "--img-size", "32", "--epochs", "2", "--batch-size", "16"]

# Each worker has a process of its own. They are forked from one that has imported TensorFlow, which takes seconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([worker.__name__])


def config(addresses: list[str], index: Any, kind: str = "worker") -> str:
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": kind, "index": index}})


class Cluster:
    """Workers in processes of their own, each in its folder beside `photos`. They end with the test."""

    def __init__(self, place: Path) -> None:
        self.places = [place / "chief", place / "other"]
        for folder in self.places:
            folder.mkdir(exist_ok=True)

    def run(self, *flags: list[str], **of_other: str) -> list[tuple[int | None, str, str]]:
        """Exit status, output and last line of the errors of each worker, by its flags; and variables of the second."""
        addresses = [f"127.0.0.1:{free_port()}" for _ in self.places]
        processes = [
            FORKS.Process(
                target=worker.run,
                args=(
                    folder,
                    [*FLAGS, *flags[index]],
                    {"TF_CONFIG": config(addresses, index), **(of_other if index else {})},
                ),
            )
            for index, folder in enumerate(self.places)
        ]
        try:
            for process in processes:
                process.start()
            for process in processes:
                process.join(300)
            assert not any(process.is_alive() for process in processes), "a worker does not end"
        finally:
            for process in processes:
                process.kill()
                process.join()
        return [
            (
                process.exitcode,
                folder.with_suffix(".out").read_text(),
                folder.with_suffix(".err").read_text().strip().rpartition("\n")[2],
            )
            for process, folder in zip(processes, self.places, strict=True)
        ]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    make_photos(tmp_path / "photos", 40)
    return Cluster(tmp_path)


def history(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "history" / "baseline.json").read_text())
    return found


@pytest.mark.training
def test_two_workers_that_die_are_interrupted_and_resumed_end_as_one_does(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train
) -> None:
    (chief, _, why), (dead, _, _) = cluster.run([], [], SIGNAL=str(int(signal.SIGKILL)))
    assert dead == -signal.SIGKILL
    assert chief == 2
    assert why.startswith("error: the connection to the other workers is lost")

    for status, _, why in cluster.run(["--resume"], ["--resume"], SIGNAL=str(int(signal.SIGTERM))):
        assert (status, why) == (130, "interrupted; continue with the same command and --resume")

    (chief, output, _), (other, silence, _) = cluster.run(["--resume"], ["--resume"])
    assert chief == other == 0
    assert "wrote run/baseline.keras" in output
    assert silence == ""
    assert list(cluster.places[1].iterdir()) == []

    monkeypatch.setattr(keras.layers.Dropout, "call", worker.without_dropout)
    train(tmp_path / "photos", tmp_path / "alone", *FLAGS)
    one, two = history(tmp_path / "alone"), history(cluster.places[0] / "run")
    assert len(one) == len(two) == 2
    assert [epoch["val_loss"] for epoch in two] == pytest.approx([epoch["val_loss"] for epoch in one], rel=1e-3)
    assert two[1]["loss"] == pytest.approx(one[1]["loss"], rel=1e-3)


@pytest.mark.training
def test_workers_with_different_flags_do_not_begin(cluster: Cluster) -> None:
    for status, _, why in cluster.run([], ["--seed", "2"]):
        assert (status, why) == (2, "error: the workers have different flags or photos: start all with the same")


@pytest.mark.training
def test_what_the_chief_refuses_ends_the_others(cluster: Cluster) -> None:
    (cluster.places[0] / "run").mkdir()
    (cluster.places[0] / "run" / "baseline.keras").write_text("kept")
    (chief, _, why), (other, _, why_not) = cluster.run([], [])
    assert chief == other == 2
    assert why.startswith("error: run/baseline.keras: exists")
    assert why_not.startswith("error: the connection to the other workers is lost")
    assert (cluster.places[0] / "run" / "baseline.keras").read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "needs"),
        ("[]", "needs"),
        ('{"cluster": {}}', "needs"),
        ('{"cluster": [], "task": {"type": "worker", "index": 0}}', "needs"),
        (config(["a:1", "b:1"], "x"), "needs"),
        (config(["a:1", "b:1"], 2), "worker 2, is not in the cluster"),
        (config(["a:1", "b:1"], -1), "worker -1, is not in the cluster"),
        (config(["a:1", "b:1"], 0, "chief"), "chief 0, is not in the cluster"),
        ('{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "has ps"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(workers.ClusterError, match=f"^TF_CONFIG: .*{why}"):
        workers.count()


@pytest.mark.parametrize("text", [None, "", config(["a:1"], 0)])
def test_one_worker_is_no_cluster(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert workers.count() == 1
    assert not workers.several()
    assert workers.is_chief()
    with pytest.raises(workers.ClusterError, match="needs several workers in TF_CONFIG"):
        devices.strategy("multiworker")


def test_a_chief_counts_as_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    assert workers.count() == 3


def test_a_sagemaker_job_of_several_machines_is_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "resourceconfig.json"
    file.write_text(
        json.dumps({"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth0"})
    )
    monkeypatch.setenv("TF_CONFIG", "")  # restored after the test, whatever is set in it
    monkeypatch.delenv("TF_CONFIG")
    monkeypatch.setattr(workers, "SAGEMAKER", file)
    assert workers.count() == 2
    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": ["algo-1:2222", "algo-2:2222"]},
        "task": {"type": "worker", "index": 1},
    }
