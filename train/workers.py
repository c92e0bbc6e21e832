"""Several machines that train one network: the workers of a TensorFlow cluster.

The first one is the chief. It alone decides and writes; the others work in a temporary folder, on copies of its files.
"""

import functools
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

SAGEMAKER: Final = Path("/opt/ml/input/config/resourceconfig.json")
"""Where a SageMaker training job says which machines it has."""

SAGEMAKER_PORT: Final = 2222

_KINDS: Final = ("chief", "worker")
_EXAMPLE: Final = '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'


class ClusterError(RuntimeError):
    """The workers cannot train together; the message says what to do."""


def count() -> int:
    """The workers that TF_CONFIG names, or SageMaker, from which TF_CONFIG is then made; 1 without either.

    Raises:
        ClusterError: TF_CONFIG cannot be used; the message says why.
    """
    if "TF_CONFIG" not in os.environ and SAGEMAKER.is_file():
        os.environ["TF_CONFIG"] = _of_sagemaker(json.loads(SAGEMAKER.read_text()))
    if not (text := os.environ.get("TF_CONFIG")):
        return 1
    try:
        config = json.loads(text)
        kind, index = config["task"]["type"], int(config["task"]["index"])
        sizes = {kind: len(addresses) for kind, addresses in config["cluster"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClusterError(f"TF_CONFIG: needs {_EXAMPLE}, has {text}") from error
    if others := sorted(sizes.keys() - set(_KINDS)):
        raise ClusterError(f"TF_CONFIG: the cluster can have a chief and workers, has {', '.join(others)}")
    if not 0 <= index < sizes.get(kind, 0):
        raise ClusterError(f"TF_CONFIG: this task, {kind} {index}, is not in the cluster")
    return sum(sizes.values())


def _of_sagemaker(machines: dict[str, Any]) -> str:
    hosts = machines["hosts"]
    return json.dumps({
        "cluster": {"worker": [f"{host}:{SAGEMAKER_PORT}" for host in hosts]},
        "task": {"type": "worker", "index": hosts.index(machines["current_host"])},
    })  # fmt: skip


def several() -> bool:
    """Whether this process is one of several workers."""
    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def is_chief() -> bool:
    """Whether this process is the one that writes; a process alone is."""
    if not several():
        return True
    cluster = tf.distribute.get_strategy().cluster_resolver
    first = "chief" if "chief" in cluster.cluster_spec().jobs else "worker"
    return bool((cluster.task_type, cluster.task_id) == (first, 0))


def any_of(mine: object) -> bool:
    """Whether it is true on some worker. All workers have to ask, and get the same answer."""
    if not several():
        return bool(mine)
    return bool(_sum_of_all(tf.distribute.get_strategy())(tf.constant(float(bool(mine)))) > 0)


def agree(text: str) -> bool:
    """Whether all workers have the same text. All have to ask."""
    return not several() or len(set(_gathered(np.array([zlib.crc32(text.encode())])).tolist())) == 1


def share(folder: Path, pattern: str = "*") -> None:
    """Give all workers the files of the chief's folder. All have to call it."""
    if several():
        packed = _gathered(np.frombuffer(_packed(folder, pattern) if is_chief() else b"", np.int64))
        if not is_chief():
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(fileobj=io.BytesIO(packed.tobytes())) as tar:
                tar.extractall(folder, filter="data")


def _packed(folder: Path, pattern: str) -> bytes:
    """The files of a folder as a tar archive, which consists of blocks of 512 bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in sorted(folder.glob(pattern)):
            tar.add(file, file.name)
    return packed.getvalue()


@functools.cache
def _sum_of_all(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """A sum over all devices, traced once: it is asked for after every step."""
    return tf.function(lambda mine: strategy.reduce("SUM", strategy.run(tf.identity, (mine,)), axis=None))


def _gathered(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The numbers of all workers, in their order; the first device of each gives them."""
    strategy = tf.distribute.get_strategy()
    cluster = strategy.cluster_resolver.cluster_spec()
    devices = strategy.num_replicas_in_sync // sum(map(cluster.num_tasks, cluster.jobs))
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(numbers if context.replica_id_in_sync_group % devices == 0 else numbers[:0])
    )
    return np.asarray(strategy.gather(values, axis=0))
