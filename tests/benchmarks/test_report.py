import json
from pathlib import Path

import pytest

from benchmarks import report


def test_the_pages_have_the_figures_of_the_results(root: Path) -> None:
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert report.with_summary(readme, results) == readme
    assert (root / "benchmarks" / "README.md").read_text(encoding="utf-8") == report.page(results)


def test_without_results_it_says_how_to_make_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--results", str(tmp_path / "none.json")]) == 2
    assert "make it with `python -m benchmarks`" in capsys.readouterr().err
