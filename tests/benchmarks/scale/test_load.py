"""The load section, on short loads: what it reads of the template, what it recommends, and that this then does."""

import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks import template
from benchmarks.scale import load
from benchmarks.scale.load import Measured
from benchmarks.scale.simulation import poisson

MEASURED = Measured(warm_ms=5, init_ms=150, batch_base_ms=40, batch_photo_ms=9)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return load.run(MEASURED, seconds=200, multiples=(1, 100))


def loads(results: dict[str, Any], multiple: int, settings: str) -> list[dict[str, Any]]:
    return [each for each in results["loads"] if (each["multiple"], each["settings"]) == (multiple, settings)]


def test_the_settings_are_the_templates(root: Path) -> None:
    text, storage = ((root / name).read_text(encoding="utf-8") for name in ("template.yaml", "stacks/storage.yaml"))
    found = template.settings()
    assert f"VisibilityTimeout: {found.visibility_s}\n" in storage
    assert f"BatchSize: {found.batch_size}\n" in text
    assert f"MaximumBatchingWindowInSeconds: {found.window_s}\n" in text
    assert f"maxReceiveCount: {found.receives}\n" in storage
    assert f"MemorySize: {found.api_memory_mb}\n" in text
    assert f"MemorySize: {found.uploads_memory_mb}\n" in text
    assert text.split("  ApiConcurrency:")[1].split("Default: ")[1].startswith(f"{found.api_concurrency}\n")
    assert text.split("  UploadsConcurrency:")[1].split("Default: ")[1].startswith(f"{found.uploads_concurrency}\n")


def test_the_template_takes_the_base_load_and_nothing_is_lost(results: dict[str, Any]) -> None:
    for each in loads(results, 1, "template"):
        assert each["api"]["throttled_share"] == 0
        assert each["uploads"]["dead_letters"] == 0
        assert each["uploads"]["p99_ms"] < 1000 * load.AGE_TARGET_S


def test_the_template_refuses_a_hundred_times_the_load_and_what_is_recommended_takes_it(
    results: dict[str, Any],
) -> None:
    before, after = (loads(results, 100, settings) for settings in ("template", "recommended"))
    assert len(before) == len(after) == len(load.PATTERNS)
    assert all(each["api"]["throttled_share"] > 0.3 for each in before)
    assert all(each["api"]["throttled_share"] < 0.001 for each in after)
    assert all(each["uploads"]["p99_ms"] < 1000 * load.AGE_TARGET_S for each in after)


def test_the_same_run_gives_the_same_figures(results: dict[str, Any]) -> None:
    assert load.run(MEASURED, seconds=200, multiples=(1,))["loads"] == [
        each for each in results["loads"] if each["multiple"] == 1
    ]


@pytest.mark.parametrize("name", load.PATTERNS)
def test_every_pattern_brings_about_its_mean_and_never_more_than_its_peak(name: str) -> None:
    rate, peak = load.pattern(name, 10, 1000)
    assert max(rate(now) for now in range(1000)) == pytest.approx(peak)
    assert sum(1 for _ in poisson(rate, peak, 1000, random.Random(1))) == pytest.approx(10_000, rel=0.05)


def test_the_tables_have_a_line_for_every_load(results: dict[str, Any]) -> None:
    text = load.markdown(results)
    for each in results["loads"]:
        assert text.count(f"| {each['multiple']}x {each['pattern']} | {each['settings']} |") == 2
    assert "ApiConcurrency" in text


def test_the_plot_is_written(results: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: it is in the dev environment")
    load.plot(results, tmp_path / "load.png")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")
