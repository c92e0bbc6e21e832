import json
from pathlib import Path

import pytest

from benchmarks import report


def test_the_pages_have_the_figures_of_the_results(root: Path) -> None:
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert report.with_summary(readme, results) == readme
    assert (root / "benchmarks" / "README.md").read_text(encoding="utf-8") == report.page(
        results, report.of_other_machines(report.RESULTS)
    )


def test_other_machines_have_their_own_figures_and_limits(tmp_path: Path) -> None:
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    results["about"]["machine"]["instructions"] = "AVX2"
    (tmp_path / "results-avx2.json").write_text(json.dumps(results))
    (other,) = report.of_other_machines(tmp_path / "results.json")
    section = report.page(results, [other]).split("\n## The same with AVX2\n")[1].split("\n## ")[0]
    assert "| warm, small JPEG / tutorial | at most 0.85 x |" in section
    assert "| ours: LiteRT int8 |" in section


def test_without_results_it_says_how_to_make_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--results", str(tmp_path / "none.json")]) == 2
    assert "make it with `python -m benchmarks`" in capsys.readouterr().err


@pytest.mark.parametrize(("busy_cores", "warns"), [(0.0, False), (1.5, True)])
def test_the_full_page_warns_of_a_busy_machine(busy_cores: float, warns: bool) -> None:
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    results["about"]["busy_cores"] = busy_cores
    assert ("other programs used 1.50 cores" in report.page(results)) is warns
    assert "busy" not in report.summary(results)


def test_the_processor_stands_beside_every_section() -> None:
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    machine = results["about"]["machine"]
    sections = report.page(results).split("\n## ")[1:-1]  # the last are versions
    assert len(sections) == 7
    assert all(machine["processor"] in section and machine["instructions"] in section for section in sections)
