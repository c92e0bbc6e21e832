"""The backbones: networks of `keras.applications` whose ImageNet weights are trained further.

Without Keras: the command line names them before it loads TensorFlow.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple


class Backbone(NamedTuple):
    """One of them.

    Attributes:
        title: as tables and cards name it.
        function: of `keras.applications`.
        options: what the function is called with, besides its input and weights.
        rescales: whether it takes raw pixels; else it takes them scaled to -1 to 1.
    """

    title: str
    function: str
    options: Mapping[str, Any] = MappingProxyType({})
    rescales: bool = True


DEFAULT: Final = "mobilenetv2"

BACKBONES: Final = {
    # Sandler et al. 2018, arXiv:1801.04381; the number is the width of its layers.
    DEFAULT: Backbone("MobileNetV2", "MobileNetV2", {"alpha": 1.0}, rescales=False),
    **{
        f"mobilenetv2-{width}": Backbone(f"MobileNetV2 {width}", "MobileNetV2", {"alpha": width}, rescales=False)
        for width in (0.35, 0.5, 0.75, 1.4)
    },
    # Howard et al. 2019, arXiv:1905.02244
    "mobilenetv3-small": Backbone("MobileNetV3 small", "MobileNetV3Small"),
    "mobilenetv3-large": Backbone("MobileNetV3 large", "MobileNetV3Large"),
    # Tan and Le 2021, arXiv:2104.00298
    "efficientnetv2-b0": Backbone("EfficientNetV2-B0", "EfficientNetV2B0"),
}

BASELINE: Final = "baseline"

NETWORKS: Final = (BASELINE, *BACKBONES)


def title(network: str) -> str:
    """What tables and cards call a network."""
    return "small CNN" if network == BASELINE else BACKBONES[network].title
