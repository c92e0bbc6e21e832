"""Plots of the benchmarks' results: ours in blue, baselines in gray, none wider than a phone."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes

from evaluate import style

_OURS_DEFAULT: Final = "ours: LiteRT"
_ACROSS: Final = 2
_BAR: Final = 0.29  # inches

Bars = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Summaries (see `benchmarks.figures.summary`) by handler, by what is measured."""


@contextmanager
def drawn(path: Path, panels: int, height: float, across: int = 1) -> Iterator[Sequence[Axes]]:
    """Panels to draw in, row by row; written as a PNG at the end.

    Args:
        path: of the PNG.
        panels: how many.
        height: of a panel, in inches.
        across: panels side by side.
    """
    rows = -(-panels // across)
    with style.styled():
        figure = style.blank(rows * height)
        every = list(figure.subplots(rows, across, squeeze=False).flat)
        for unused in every[panels:]:
            unused.set_axis_off()
        yield every[:panels]
        style.save(figure, path)


def panels(columns: Bars, path: Path, *, logarithmic: bool = True) -> None:
    """A panel for each column, with a bar for each handler, and its minimum and maximum; each has its own scale."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    with drawn(path, len(columns), 0.5 + _BAR * len(names), _ACROSS) as every:
        for number, (axes, (title, column)) in enumerate(zip(every, columns.items(), strict=True)):
            axes.set_title(title.replace(", ", "\n", 1), fontsize=8)
            found = {place: column[name] for place, name in enumerate(names) if name in column}
            _bars(axes, found, [color(names[place]) for place in found], logarithmic=logarithmic)
            shown = (
                [""] * len(names)
                if number % _ACROSS
                else [textwrap.fill(name, 24, break_on_hyphens=False) for name in names]
            )
            axes.set_yticks(range(len(names)), shown, fontsize=7)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(left=False)
            axes.xaxis.set_visible(False)
            axes.spines["bottom"].set_visible(False)
        scale = "each panel on a logarithmic scale of its own; " if logarithmic else ""
        every[0].figure.supxlabel(f"{scale}lines: minimum to maximum", fontsize=6.5)


def color(title: str) -> str:
    """Of a handler's bar, by its title."""
    if title.startswith(_OURS_DEFAULT):
        return style.OURS
    return style.OURS_OTHERWISE if "ours" in title else style.BASELINE


def _bars(axes: Axes, found: Mapping[int, Mapping[str, Any]], colors: Sequence[str], *, logarithmic: bool) -> None:
    medians = [one["median"] for one in found.values()]
    most = max(one["max"] for one in found.values())
    least = min(medians) / 1.5 if logarithmic else 0.0
    axes.barh(list(found), [median - least for median in medians], 0.7, left=least, color=colors)
    for place, one in found.items():
        axes.plot([one["min"], one["max"]], [place, place], color="black", linewidth=1)
        # Behind the line, so that it never runs through the number.
        axes.annotate(
            short(one["median"]), (one["max"], place), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xscale("log" if logarithmic else "linear")
    axes.set_xlim(least, most * (most / least) ** 0.5 if logarithmic else 1.4 * most)


def short(value: float) -> str:
    """A figure of a bar, as short as it can be read."""
    digits = 0 if value >= 10 or value % 1 == 0 else 1 if value >= 2 else 2
    return f"{value:,.{digits}f}"


def grouped(axes: Axes, groups: Sequence[str], rows: Mapping[str, Sequence[float]], colors: Sequence[str]) -> None:
    """Vertical bars side by side in groups, so that equal values do not hide each other; each with its number."""
    width = 0.84 / len(rows)
    for number, ((label, values), shade) in enumerate(zip(rows.items(), colors, strict=True)):
        places = [place + (number - (len(rows) - 1) / 2) * width for place in range(len(groups))]
        bars = axes.bar(places, values, width, color=shade, label=label)
        axes.bar_label(bars, [short(value) for value in values], padding=2, fontsize=7)
    axes.set_xticks(range(len(groups)), groups)
    axes.margins(y=0.15)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def line(axes: Axes, horizontal: Sequence[float], vertical: Sequence[float]) -> None:
    """Values over counts that grow by factors, from zero on."""
    axes.plot(horizontal, vertical, "o-", color=style.OURS)
    axes.set_xscale("log")
    axes.set_xticks(horizontal, [f"{count:,.0f}" for count in horizontal])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15 * max(vertical))
    axes.grid(axis="y")
