import pytest

from benchmarks import figures


def test_the_summary_leaves_out_the_rounds_that_were_sat_out() -> None:
    found = figures.summary([3.0, None, 1.0, 5.0])
    assert found == {"median": 3.0, "min": 1.0, "max": 5.0, "rounds": 3}


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        figures.summary([None, None])


def test_ratios_are_taken_within_each_round() -> None:
    # Twice as slow throughout, on a machine that became ten times slower: of the medians it would be 1.1.
    found = figures.ratios([2.0, 20.0, None], [1.0, 10.0, 7.0])
    assert found == {"median": 2.0, "min": 2.0, "max": 2.0, "rounds": 2}


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        figures.ratios([1.0, 2.0], [1.0])


def test_everyone_begins_a_round_in_turn() -> None:
    assert [figures.turns(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 2.0), (75, 3.0), (99, 4.0), (100, 4.0)])
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert figures.percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_figures_as_text() -> None:
    found = {"median": 1234.5, "min": 1000.0, "max": 2000.25, "rounds": 3}
    assert figures.spread(found, 1) == "1,234.5 (1,000.0 to 2,000.2)"
    assert figures.spread(found, 0, " x") == "1,234 x (1,000 to 2,000)"


def test_a_table_has_as_many_columns_in_every_line() -> None:
    lines = figures.table(["", "a", "b"], [["x", "1", "2"], ["y", "3", "4"]]).splitlines()
    assert lines[1] == "|---|---:|---:|"
    assert {line.count("|") for line in lines} == {4}


def test_the_last_column_may_be_text() -> None:
    assert figures.table(["", "a", "why"], [], text_last=True).splitlines()[1] == "|---|---:|---|"
