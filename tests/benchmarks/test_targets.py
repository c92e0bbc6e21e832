from typing import Any

import pytest

from benchmarks import targets
from benchmarks.targets import Target


def ratio(median: float) -> dict[str, Any]:
    return {"median": median, "min": median / 2, "max": median * 2, "rounds": 3}


def verdict(target: Target, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(targets, "TARGETS", (target,))
    return targets.table(results).splitlines()[-1]


@pytest.mark.parametrize(("median", "told"), [(0.74, "holds"), (0.75, "holds"), (0.76, "**missed**")])
def test_the_median_decides(median: float, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = verdict(Target("a", 0.75, lambda _: ratio(median)), {}, monkeypatch)
    assert line == f"| a | at most 0.75 x | {median:.2f} x ({median / 2:.2f} to {median * 2:.2f}) | {told} |"


def test_what_was_not_measured_does_not_hold_and_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    line = verdict(Target("a", 0.75, lambda results: ratio(results["cold"])), {}, monkeypatch)
    assert line == "| a | at most 0.75 x | not measured |  |"


def test_ours_is_above_and_the_other_below() -> None:
    """Ours takes 1 and 2, the others 4: every ratio is 0.25 and 0.5."""
    ours, other = [1.0, 2.0], [4.0, 4.0]
    blocks = {"litert": {"p50": ours}, "tutorial": {"p50": other}, "floor": {"p50": other}}
    results = {
        "cold": {
            "warm_cache": {"url": {"litert": ours, "tutorial": other, "keras": other}},
            "bare": {"litert": ours, "floor": other},
            "s3_cost": {"litert": ours, "plain": other},
        },
        "warm": {
            "answers": {"jpeg": blocks, "large": blocks},
            "memory": {"litert": {"large": ours}, "tutorial": {"large": other}},
            "batch": {"litert": {"ten": ours, "one": other}},
        },
    }
    for target in targets.TARGETS:
        found = target.ratio(results)
        assert (found["min"], found["max"]) == (0.25, 0.5), target.title


def test_a_sitting_out_contender_counts_in_its_rounds_only() -> None:
    url = {"litert": [1.0, 2.0, 3.0, 4.0], "tutorial": [4.0] * 4, "keras": [100.0, None, None, 100.0]}
    found = targets.TARGETS[1].ratio({"cold": {"warm_cache": {"url": url}}})
    assert (found["min"], found["max"], found["rounds"]) == (0.01, 0.04, 2)
