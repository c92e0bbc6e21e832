"""Medians and ranges. Absolute times vary from run to run, so two handlers are compared within each round."""

import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Samples = Sequence[float | None]
"""A value a round; None where a handler sat out."""


def summary(samples: Samples) -> dict[str, Any]:
    """Median, minimum, maximum and number of the values.

    Raises:
        ValueError: there is no value.
    """
    values = present(samples)
    if not values:
        raise ValueError("nothing was measured")
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": len(values)}


def ratios(above: Samples, below: Samples) -> dict[str, Any]:
    """The summary of `above` / `below`, taken within each round that has both."""
    pairs = zip(above, below, strict=True)
    return summary([over / under for over, under in pairs if over is not None and under is not None])


def turns(items: Sequence[Item], number: int) -> list[Item]:
    """The items in the order of round `number`: each round begins with another one, so no item always goes first."""
    start = number % len(items)
    return [*items[start:], *items[:start]]


def present(samples: Samples) -> list[float]:
    """The values without the gaps."""
    return [value for value in samples if value is not None]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(found: dict[str, Any], digits: int = 0, unit: str = "") -> str:
    """A summary as text: median (minimum to maximum)."""
    return f"{found['median']:,.{digits}f}{unit} ({found['min']:,.{digits}f} to {found['max']:,.{digits}f})"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, text_last: bool = False) -> str:
    """A Markdown table. The first column is text, the last one too if `text_last`; the others are figures."""
    aligned = "---:|" * (len(columns) - 1 - text_last) + "---|" * text_last
    head = [f"| {' | '.join(columns)} |", f"|---|{aligned}"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])
