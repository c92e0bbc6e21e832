"""One real round of our handler: under AWS's emulator, with S3 from moto, down to the pages. No time is judged."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import cold, environments, page_cache, report, sections, size, targets
from benchmarks.cold import Start
from benchmarks.environments import OURS, BenchmarkError, Contender


@pytest.fixture(scope="module")
def ours(shipped_model_path: Path) -> Contender:
    """Ours in the environment of the tests, which has the runtime client."""
    try:
        environments.emulator()
    except BenchmarkError as error:
        pytest.skip(str(error))
    return Contender(OURS, "ours", Path(sys.executable), environments.ROOT, {"MODEL_PATH": str(shipped_model_path)})


@pytest.fixture(scope="module")
def folder(ours: Contender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has left its results and pages."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "README.md").write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n")
    with pytest.MonkeyPatch.context() as patch:
        # Other tests run at the same time: only our own files leave the page cache.
        patch.setattr(page_cache, "DROP_CACHES", folder / "no-such-folder" / "drop_caches")
        found = sections.measure(("cold", "warm", "cost"), [ours], 1, folder / "results.json", busy=True)
    # `make test` has made this environment; that of these tests has TensorFlow, which takes half a minute to copy.
    small = environments.ROOT / ".venv" / "serve-test" / "bin" / "python"
    found["size"] = size.run([replace(ours, python=small if small.exists() else ours.python)])
    (folder / "results.json").write_text(json.dumps(found))
    arguments = {"--results": "results.json", "--readme": "README.md", "--folder": "pages"}
    assert report.main([part for flag, name in arguments.items() for part in (flag, str(folder / name))]) == 0
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_every_cold_start_is_there(results: dict[str, Any]) -> None:
    found = results["cold"]["warm_cache"]
    assert list(found) == list(cold.EVENTS)
    assert all(len(by_name[OURS]) == 1 and by_name[OURS][0] > 0 for by_name in found.values())
    assert all(len(results["cold"][part][OURS]) == 1 for part in ("cold_cache", "disk_mb"))
    assert results["cold"]["disk_mb"][OURS][0] > 1
    assert list(results["cold"]["phases"])[-2:] == ["first answer", "second answer"]


def test_the_imports_are_those_of_the_event(results: dict[str, Any]) -> None:
    imports = results["cold"]["imports"]
    assert all({"PIL", "serve"} <= imports[kind].keys() for kind in imports)
    assert "botocore" in imports["s3"]
    assert imports["url"].keys().isdisjoint({"boto3", "botocore"})
    assert imports["upload"].keys().isdisjoint({"boto3", "botocore", "urllib3"})


def test_every_warm_answer_is_there(results: dict[str, Any]) -> None:
    warm = results["warm"]
    assert set(warm["answers"]) == {"jpeg", "large", "png", "webp", "url"}
    assert all(blocks[OURS]["p99"][0] >= blocks[OURS]["p50"][0] > 0 for blocks in warm["answers"].values())
    assert "floor" in warm["answers"]["jpeg"]
    assert warm["memory"][OURS]["large"][0] >= warm["memory"][OURS]["jpeg"][0] > 10e6
    assert set(warm["stages"]["url"]) == {"fetch", "decode", "resize", "inference", "everything else"}
    assert "fetch" not in warm["stages"]["jpeg"]


def test_the_pages_show_the_run(folder: Path, results: dict[str, Any]) -> None:
    readme = (folder / "README.md").read_text()
    assert readme.startswith("before\n<!--")
    assert readme.endswith("-->\nafter\n")
    assert results["about"]["model_version"] in readme
    page = (folder / "pages" / "README.md").read_text()
    plots = re.findall(r'src="(plots/[^"]+)"', page)
    assert len(plots) == 5
    for plot in plots:
        assert 0 < (folder / "pages" / plot).stat().st_size < 200_000


def test_what_was_not_measured_is_said_to_be_so(folder: Path) -> None:
    lines = [line for line in (folder / "pages" / "README.md").read_text().splitlines() if "at most" in line]
    assert len(lines) == len(targets.TARGETS)
    assert [("not measured" in line) for line in lines] == ["tutorial" in line or "Keras" in line for line in lines]


def test_results_name_no_place_of_this_machine(folder: Path) -> None:
    text = (folder / "results.json").read_text()
    assert str(environments.ROOT) not in text
    assert os.environ.get("HOME", "/root") + "/" not in text


def test_a_handler_with_another_answer_is_not_measured(ours: Contender, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([0.01, 0.9])
    monkeypatch.setattr(cold, "_started", lambda *_: Start({"probability": next(answers)}, 100.0, 1.0))
    bench = cold.Bench(b"", "", None)  # type: ignore[arg-type]
    with pytest.raises(BenchmarkError, match="the handlers do not agree"):
        cold.agreed([ours, Contender("other", "other", ours.python, ours.folder)], bench)


def test_a_section_that_needs_another_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cost needs cold, warm: add them to --only"):
        sections.measure(("cost",), [], 1, tmp_path / "results.json")


@pytest.mark.parametrize("arguments", [["--only", "warm,cool"], ["--contenders", "theirs"]])
def test_a_name_that_does_not_exist_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.parser().parse_args(arguments)
    assert "unknown: " in capsys.readouterr().err
