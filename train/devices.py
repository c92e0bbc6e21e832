"""What a run computes on: one device, or all of this machine's; and in which precision."""

from collections.abc import Callable
from typing import Literal

import keras
import tensorflow as tf

from train import batches, workers

StrategyName = Literal["auto", "none", "mirrored", "multiworker"]
Precision = Literal["auto", "float32", "mixed_float16"]


def strategy(name: StrategyName) -> tf.distribute.Strategy:
    """How batches are shared among devices.

    Args:
        name: "mirrored": every GPU of this machine, or every logical CPU device where there is no GPU, gets an equal
            part of each batch. "multiworker": so does every device of every worker; see `workers.count`. "none": one
            device gets all. "auto": multiworker where there are several workers, mirrored where there are several GPUs.

    Raises:
        workers.ClusterError: TF_CONFIG cannot be used.
    """
    machines = workers.count() if name in ("auto", "multiworker") else 1
    if machines > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()  # waits for the other workers
    if name == "multiworker":
        raise workers.ClusterError("--strategy multiworker: needs several workers in TF_CONFIG")
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    return tf.distribute.get_strategy()


def distributed(make: Callable[[batches.Replicas], tf.data.Dataset]) -> tf.data.Dataset:
    """The batches of this process's devices, which get their parts at once."""

    def of_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = context.num_replicas_in_sync // context.num_input_pipelines
        first = here * context.input_pipeline_id
        return make(batches.Replicas(range(first, first + here), context.num_replicas_in_sync))

    return tf.distribute.get_strategy().distribute_datasets_from_function(of_process)


def set_precision(name: Precision) -> None:
    """Set the precision of layers that are made from now on: "auto" is mixed where there is a GPU.

    Mixed precision (Micikevicius et al. 2018, arXiv:1710.03740) computes in float16 and keeps weights in float32.
    """
    if name == "auto":
        name = "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
    keras.config.set_dtype_policy(name)


def share_statistics(model: keras.Model) -> None:
    """Have batch normalization see the whole batch where replicas see a part each.

    Otherwise the network would depend on the number of devices.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
