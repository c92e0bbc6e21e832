"""The cost section, against prices worked out by hand."""

from pathlib import Path

import pytest

from benchmarks.scale import cost
from benchmarks.scale.cost import Times

OURS = Times("ours", warm_ms=4.3, cold_ms=160, peak_memory_mb=60)
BIG = Times("big", warm_ms=59, cold_ms=5000, peak_memory_mb=731)


def test_one_gigabyte_for_one_second() -> None:
    """A million seconds of a GB at $0.0000166667, and a million requests at $0.20."""
    times = Times("", warm_ms=1000 * 1024 / 1769, cold_ms=1)  # a second at 1,024 MB
    assert cost.usd_per_million(times, 1024, "x86_64") == pytest.approx(16.6667 + 0.20)
    assert cost.usd_per_million(times, 1024, "arm64") == pytest.approx(13.3334 + 0.20)


@pytest.mark.parametrize(
    ("memory_mb", "expected"),
    [(1769, 5), (3008, 5), (512, 15), (1024, 8)],  # 4.3 ms, stretched by 1769/512 and 1769/1024, rounded up
)
def test_time_grows_below_one_vcpu_and_stays_above(memory_mb: int, expected: int) -> None:
    assert cost.billed_ms(4.3, memory_mb) == expected


def test_a_wait_does_not_grow() -> None:
    assert cost.billed_ms(1, 512, wait_ms=200) == 204
    assert cost.billed_ms(1, 1769, wait_ms=200) == 201


def test_whole_milliseconds_are_not_rounded_up() -> None:
    assert cost.billed_ms(0.1 + 0.2 - 0.3 + 15, 1769) == 15


def test_cold_starts_are_billed_by_their_share() -> None:
    warm, cold, tenth = (cost.usd_per_million(OURS, 1769, "x86_64", share) for share in (0.0, 1.0, 0.1))
    assert tenth == pytest.approx(0.9 * warm + 0.1 * cold)
    assert cold > 10 * warm
    with pytest.raises(ValueError, match="between 0 and 1"):
        cost.usd_per_million(OURS, 1769, "x86_64", 1.1)


def test_what_does_not_fit_shows_no_price() -> None:
    text = cost.markdown(cost.run({"ours": OURS, "big": BIG}, cold_shares=(0.0,)))
    ours, big = (line.split(" | ") for line in text.splitlines() if line.startswith(("| ours", "| big")))
    assert (ours[1], big[1]) == ("0.33", "-")  # 15 ms of half a GB: $0.125, and $0.20
    assert big[2] != "-"


def test_the_table_names_the_prices_their_date_and_what_is_assumed() -> None:
    text = cost.markdown(cost.run({"ours": OURS}))
    for told in ("$0.0000166667", "$0.0000133334", "$0.20", cost.PRICES_DATE, "us-east-1", "arm64 was not measured"):
        assert told.lower() in text.lower()
    assert [line[2:].split()[0] for line in text.splitlines() if "cold starts" in line] == ["0%", "1%", "10%"]


def test_the_plot_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: it is in the dev environment")
    cost.plot(cost.run({"ours": OURS, "big": BIG}), tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")
