"""Plots of the benchmarks' results, on white, so that they can be read on light and dark pages alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_HEIGHT: Final = 0.16  # inches a bar

Bars = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Summaries (see `benchmarks.figures.summary`) by what is measured, by contender."""


def bars(rows: Bars, label: str, path: Path) -> None:
    """A group of bars for each row, each with its least and most, on a logarithmic axis."""
    kinds = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    figure = Figure(figsize=(8, 1 + _HEIGHT * len(rows) * (len(kinds) + 1)), layout="constrained")
    axes = figure.subplots()
    for number, kind in enumerate(kinds):
        shift = (number - (len(kinds) - 1) / 2) / (len(kinds) + 1)
        found = {place + shift: row[kind] for place, row in enumerate(rows.values()) if kind in row}
        _draw(axes, found, 1 / (len(kinds) + 1), kind, f"C{number}")
    axes.set(xscale="log", xlabel=label, yticks=range(len(rows)))
    axes.set_yticklabels(list(rows))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="small", loc="best")
    save(figure, path)


def panels(columns: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """A panel for each column, side by side, with a bar for each contender, on logarithmic axes.

    Args:
        columns: summaries by contender, by title of the panel.
        path: of the PNG.
    """
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    figure = Figure(figsize=(10, 1.1 + 0.4 * len(names)), layout="constrained")
    every = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (title, column) in zip(every, columns.items(), strict=True):
        places = {float(place): column[name] for place, name in enumerate(names) if name in column}
        _draw(axes, places, 0.7, title, "C0")
        axes.set(xscale="log", yticks=range(len(names)))
        axes.set_title(title.replace(", ", "\n"), fontsize=9)
        axes.set_yticklabels(names)
        axes.margins(x=0.35)
        axes.xaxis.set_visible(False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    every[0].invert_yaxis()
    figure.supxlabel("logarithmic scales, each its own", fontsize=8)
    save(figure, path)


def _draw(axes: Axes, found: Mapping[float, Mapping[str, Any]], height: float, label: str, color: str) -> None:
    medians = [one["median"] for one in found.values()]
    below = [one["median"] - one["min"] for one in found.values()]
    above = [one["max"] - one["median"] for one in found.values()]
    drawn = axes.barh(list(found), medians, height, color=color, label=label)
    axes.errorbar(medians, list(found), xerr=(below, above), fmt="none", ecolor="gray", elinewidth=1)
    axes.bar_label(drawn, [_short(median) for median in medians], padding=8, fontsize=8)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without the date: the same figure gives the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, facecolor="white", metadata={"Software": None})
