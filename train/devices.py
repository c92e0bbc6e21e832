"""What a run computes on: one device, or all of this machine's; and in which precision."""

from typing import Literal

import keras
import tensorflow as tf

StrategyName = Literal["auto", "none", "mirrored"]
Precision = Literal["auto", "float32", "mixed_float16"]


def strategy(name: StrategyName) -> tf.distribute.Strategy:
    """How batches are shared among devices.

    Args:
        name: "mirrored": every GPU of this machine, or every logical CPU device where there is no GPU, gets an equal
            part of each batch. "none": one device gets all. "auto": mirrored where there are several GPUs.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    return tf.distribute.get_strategy()


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
