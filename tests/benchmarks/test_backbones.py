from typing import Any

from benchmarks.backbones import VARIANTS, Variant, table
from train.backbones import BACKBONES, DEFAULT


def one(ms: float, *, trained: bool = True) -> dict[str, Any]:
    return {
        "parameters": 2_260_000,
        "trained": trained,
        "keras_accuracy": 0.975,
        "accuracy": 0.973,
        "bytes": 2_700_000,
        "ms": {"int8": ms, "float16": 2 * ms},
    }


def test_a_row_has_the_median_of_the_rounds() -> None:
    *_, row = table({Variant(DEFAULT, 160): [one(0.8), one(9), one(0.9)]}).splitlines()
    assert row == "| MobileNetV2 | 160 px | 97.5% | 97.3% | 2.26 M | 2.70 MB | 0.90 ms | 1.80 ms |"


def test_a_network_of_random_weights_has_no_accuracy() -> None:
    *_, row = table({Variant("mobilenetv3-small", 160): [one(1, trained=False)]}).splitlines()
    assert row.startswith("| MobileNetV3 small | 160 px | - | - |")


def test_every_backbone_is_measured_at_one_size_and_the_default_at_several() -> None:
    assert {name for name, size in VARIANTS if size == 160} == set(BACKBONES)
    assert len({size for name, size in VARIANTS if name == DEFAULT}) == 6
    assert len(set(VARIANTS)) == len(VARIANTS)
