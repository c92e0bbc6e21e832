"""The cost of a million predictions on Lambda, from measured times and published prices.

A cold start is billed, including its loading: "Duration charges apply to code that runs in the handler of a function
as well as initialization code" (AWS Lambda Pricing, as archived on 2026-06-18).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import figures, plots

# AWS Lambda Pricing, https://aws.amazon.com/lambda/pricing/, us-east-1, first tier, without the free tier. That page
# draws its figures by script; these are from published descriptions of it of the date below.
PRICES_DATE: Final = "2026-05-11"
USD_PER_GB_SECOND: Final = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
USD_PER_REQUEST: Final = 0.20 / 1_000_000

MEMORY_SIZES_MB: Final = (512, 1024, 1769, 3008)
COLD_SHARES: Final = (0.0, 0.01, 0.1)
# "At 1,769 MB, a function has the equivalent of one vCPU", and less in proportion: AWS Lambda Developer Guide,
# "Configure Lambda function memory".
ONE_VCPU_MB: Final = 1769
_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Times:
    """The measured times of a handler on one whole core.

    Attributes:
        title: as in tables.
        warm_ms: the handler's time for one photo in the event.
        cold_ms: from the start of the process to the first answer, the handler's time included.
        peak_memory_mb: of the process; 0 if not measured.
    """

    title: str
    warm_ms: float
    cold_ms: float
    peak_memory_mb: float = 0.0


def billed_ms(cpu_ms: float, memory_mb: int, wait_ms: float = 0.0) -> int:
    """The billed duration: whole milliseconds, rounded up. The processor's part grows below one vCPU.

    More than one vCPU does not speed up one thread.
    """
    share = min(1.0, memory_mb / ONE_VCPU_MB)
    # Rounded first, so that 15.000000000000002 ms are not billed as 16.
    return math.ceil(round(wait_ms + cpu_ms / share, 6))


def usd_per_million(
    times: Times, memory_mb: int, architecture: str, cold_share: float = 0.0, wait_ms: float = 0.0
) -> float:
    """The price of a million predictions, one an invocation.

    Args:
        times: on one vCPU.
        memory_mb: the function's setting.
        architecture: "x86_64" or "arm64", for which the same times are assumed.
        cold_share: of the invocations that start an environment, 0 to 1.
        wait_ms: for a server behind a URL; independent of the processor.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= cold_share <= 1:
        raise ValueError(f"the share of cold starts is {cold_share}: it must be between 0 and 1")
    warm, cold = (billed_ms(cpu_ms, memory_mb, wait_ms) for cpu_ms in (times.warm_ms, times.cold_ms))
    mean_s = (warm * (1 - cold_share) + cold * cold_share) / 1000
    return _MILLION * (memory_mb / 1024 * mean_s * USD_PER_GB_SECOND[architecture] + USD_PER_REQUEST)


def run(
    times: Mapping[str, Times],
    cold_shares: tuple[float, ...] = COLD_SHARES,
    memory_sizes_mb: tuple[int, ...] = MEMORY_SIZES_MB,
) -> dict[str, Any]:
    """The cost of every handler at every size, on both architectures, for every share of cold starts."""
    return {
        "prices": {
            "date": PRICES_DATE,
            "region": "us-east-1",
            "usd_per_gb_second": USD_PER_GB_SECOND,
            "usd_per_million_requests": USD_PER_REQUEST * _MILLION,
        },
        "assumption": "arm64 was not measured: its times are assumed to be those of x86_64",
        "contenders": {
            name: {"title": each.title, "costs": _costs(each, cold_shares, memory_sizes_mb)}
            for name, each in times.items()
        },
    }


def _costs(times: Times, cold_shares: tuple[float, ...], sizes_mb: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {
            "memory_mb": size,
            "architecture": architecture,
            "cold_share": share,
            "fits": times.peak_memory_mb < size,
            "usd_per_million": round(usd_per_million(times, size, architecture, share), 3),
        }
        for architecture in USD_PER_GB_SECOND
        for size in sizes_mb
        for share in cold_shares
    ]


def markdown(results: dict[str, Any]) -> str:
    """A table for each share of cold starts: handlers by memory size and architecture, in US dollars."""
    costs = [cost for each in results["contenders"].values() for cost in each["costs"]]
    tables = [_table(results["contenders"], share) for share in sorted({cost["cold_share"] for cost in costs})]
    prices = results["prices"]
    per_gb = ", ".join(f"{name} ${price:.10f}" for name, price in prices["usd_per_gb_second"].items())
    note = (
        f"US dollars for a million predictions, Lambda alone, without the free tier. List prices of {prices['region']} "
        f"as quoted on {prices['date']}: {per_gb} a GB-second, ${prices['usd_per_million_requests']:.2f} a million "
        f"requests. {ONE_VCPU_MB:,} MB give one vCPU: below, times grow in proportion; above, they stay the same. "
        f"\\* {results['assumption'][0].upper()}{results['assumption'][1:]}. A dash: it needs more memory."
    )
    return "\n\n".join([*tables, note])


def _table(contenders: dict[str, Any], cold_share: float) -> str:
    chosen = {
        each["title"]: [cost for cost in each["costs"] if cost["cold_share"] == cold_share]
        for each in contenders.values()
    }
    head = [_heading(cost) for cost in next(iter(chosen.values()))]
    rows = [f"| {title} | " + " | ".join(map(_cell, costs)) + " |" for title, costs in chosen.items()]
    return "\n".join(
        [f"| {cold_share:.0%} cold starts | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head), *rows]
    )


def _heading(cost: dict[str, Any]) -> str:
    mark = r"\*" if cost["architecture"] == "arm64" else ""
    return f"{cost['architecture']}{mark}, {cost['memory_mb']:,} MB"


def _cell(cost: dict[str, Any]) -> str:
    return f"{cost['usd_per_million']:,.2f}" if cost["fits"] else "-"


def plot(results: dict[str, Any], path: Path) -> None:
    """A panel for each memory size, a bar for each handler (x86_64, the smallest share of cold starts); a PNG."""
    columns: dict[str, dict[str, Any]] = {}
    for each in results["contenders"].values():
        least = min(cost["cold_share"] for cost in each["costs"])
        for one in each["costs"]:
            if one["cold_share"] == least and one["architecture"] == "x86_64" and one["fits"]:
                column = columns.setdefault(f"{one['memory_mb']:,} MB, $ a million", {})
                column[each["title"]] = figures.summary([one["usd_per_million"]])
    plots.panels(columns, path)
