from typing import Any

import pytest

from benchmarks import targets
from benchmarks.targets import Target

AVX2 = {"cores": 2, "processor": "a processor", "instructions": "AVX2"}
VNNI = AVX2 | {"instructions": "AVX-512 VNNI"}


def run(machine: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {"about": {"machine": machine}, **sections}


def summary(median: float) -> dict[str, Any]:
    return {"median": median, "min": median / 2, "max": median * 2, "rounds": 3}


def verdict(target: Target, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(targets, "TARGETS", (target,))
    return targets.table(results).splitlines()[-1]


@pytest.mark.parametrize(("median", "expected"), [(0.74, "holds"), (0.75, "holds"), (0.76, "**missed**")])
def test_the_median_decides(median: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = verdict(Target("a", 0.75, lambda _: summary(median)), run(AVX2), monkeypatch)
    assert line == f"| a | at most 0.75 x | {median:.2f} x ({median / 2:.2f} to {median * 2:.2f}) | {expected} |"


def test_an_unmeasured_target_has_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    line = verdict(Target("a", 0.75, lambda results: summary(results["cold"])), run(AVX2), monkeypatch)
    assert line == "| a | at most 0.75 x | not measured |  |"


@pytest.mark.parametrize(("machine", "expected"), [(AVX2, "at most 0.85 x"), (VNNI, "at most 0.60 x")])
def test_the_limit_may_depend_on_the_instruction_set(
    machine: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("a", 0.85, lambda _: summary(0.5), most_with_vnni=0.6)
    assert verdict(target, run(machine), monkeypatch).startswith(f"| a | {expected} | 0.50 x")


def test_the_table_names_the_processor() -> None:
    assert "on 2 cores of a processor, AVX-512 VNNI |" in targets.table(run(VNNI)).splitlines()[0]


def test_a_size_has_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    line = verdict(Target("a", 50, lambda _: summary(40), "MB"), run(AVX2), monkeypatch)
    assert line == "| a | at most 50 MB | 40 MB (20 to 80) | holds |"


def test_every_ratio_is_ours_divided_by_the_other() -> None:
    """Ours takes 1 and 2, the others 4: every ratio is 0.25 and 0.5."""
    ours, other = [1.0, 2.0], [4.0, 4.0]
    every = {"litert": ours, "tutorial": other, "keras": other, "floor": other, "plain": other}
    blocks = {name: {"p50": values} for name, values in every.items()}
    cold = {"warm_cache": {"url": every}, **dict.fromkeys(("cold_cache", "disk_mb", "bare", "s3_cost"), every)}
    memory = {name: {"large": values} for name, values in every.items()}
    results = run(AVX2, cold=cold, warm={"answers": {"jpeg": blocks, "large": blocks}, "memory": memory})
    for target in targets.TARGETS[:-1]:
        found = target.found(results)
        assert (found["min"], found["max"]) == (0.25, 0.5), target.title
    results["size"] = {"litert": {"image": {"total_mb": 42.0}}}
    assert targets.TARGETS[-1].found(results)["median"] == 42


def test_a_round_without_keras_does_not_count() -> None:
    url = {"litert": [1.0, 2.0, 3.0, 4.0], "keras": [100.0, None, None, 100.0]}
    (keras,) = (target for target in targets.TARGETS if "Keras" in target.title)
    found = keras.found({"cold": {"warm_cache": {"url": url}}})
    assert (found["min"], found["max"], found["rounds"]) == (0.01, 0.04, 2)
