import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.environments import BenchmarkError


def test_the_pages_have_the_figures_of_the_results(root: Path) -> None:
    if not report.RESULTS.is_file():
        pytest.skip("there is no benchmarks/results.json yet: `make benchmarks` writes it")
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert report.replaced(readme, report.summary(results)) == readme
    assert (root / "benchmarks" / "README.md").read_text(encoding="utf-8") == report.page(results)


def test_text_around_the_marks_stays_as_it_is() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.replaced(text, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    assert report.replaced(report.replaced(text, "new"), "new") == report.replaced(text, "new")


@pytest.mark.parametrize("text", ["", report.BEGIN, report.END, f"{report.END}\n{report.BEGIN}"])
def test_a_missing_mark_is_an_error(text: str) -> None:
    with pytest.raises(BenchmarkError, match="are missing"):
        report.replaced(text, "new")


def test_without_results_it_says_how_to_make_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--results", str(tmp_path / "none.json")]) == 2
    assert "make it with `python -m benchmarks`" in capsys.readouterr().err
