"""Plots of the benchmarks' results: ours in blue, baselines in gray, all in one style (style.mplstyle)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: Final = Path(__file__).with_name("style.mplstyle")
# Okabe and Ito's palette, "Color Universal Design", 2008: distinct with every kind of color vision. Ours is blue.
OURS: Final = "#0072b2"
OURS_OTHERWISE: Final = "#56b4e9"
BASELINE: Final = "#a0a0a0"
_OURS_DEFAULT: Final = "ours: LiteRT"

Bars = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Summaries (see `benchmarks.figures.summary`) by handler, by what is measured."""


@contextmanager
def drawn(path: Path, columns: int, size: tuple[float, float]) -> Iterator[Sequence[Axes]]:
    """Panels side by side to draw in; written as a PNG at the end, without a date: the same figures, the same file.

    Args:
        path: of the PNG.
        columns: number of panels.
        size: width and height in inches.
    """
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure.subplots(1, columns, squeeze=False)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})


def panels(columns: Bars, path: Path, *, logarithmic: bool = True) -> None:
    """A panel for each column, with a bar for each handler, and its minimum and maximum; each has its own scale."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    with drawn(path, len(columns), (2.6 + 1.7 * len(columns), 0.9 + 0.34 * len(names))) as every:
        for axes, (title, column) in zip(every, columns.items(), strict=True):
            axes.set_title(title.replace(", ", "\n", 1))
            found = {place: column[name] for place, name in enumerate(names) if name in column}
            _bars(axes, found, [color(names[place]) for place in found], logarithmic=logarithmic)
            axes.set(yticks=range(len(names)), yticklabels=names if axes is every[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(left=False)
            axes.xaxis.set_visible(False)
            axes.spines["bottom"].set_visible(False)
        if logarithmic:
            every[-1].figure.supxlabel("bars on logarithmic scales, a scale a panel", fontsize=7)


def color(title: str) -> str:
    """Of a handler's bar, by its title."""
    if title.startswith(_OURS_DEFAULT):
        return OURS
    return OURS_OTHERWISE if "ours" in title else BASELINE


def _bars(axes: Axes, found: Mapping[int, Mapping[str, Any]], colors: Sequence[str], *, logarithmic: bool) -> None:
    medians = [one["median"] for one in found.values()]
    most = max(one["max"] for one in found.values())
    least = min(medians) / 1.5 if logarithmic else 0.0
    axes.barh(list(found), [median - least for median in medians], 0.7, left=least, color=colors)
    for place, one in found.items():
        axes.plot([one["min"], one["max"]], [place, place], color="black", linewidth=1)
        # Behind the line, so that it never runs through the number.
        axes.annotate(_short(one["median"]), (one["max"], place), (3, 0), textcoords="offset points", va="center")
    axes.set_xscale("log" if logarithmic else "linear")
    axes.set_xlim(least, most * (most / least) ** 0.5 if logarithmic else 1.4 * most)


def _short(value: float) -> str:
    digits = 0 if value >= 20 else 1 if value >= 2 else 2
    return f"{value:,.{digits}f}"


def grouped(axes: Axes, groups: Sequence[str], rows: Mapping[str, Sequence[float]], colors: Sequence[str]) -> None:
    """Vertical bars side by side in groups, so that equal values do not hide each other; each with its number."""
    width = 0.8 / len(rows)
    for number, ((label, values), shade) in enumerate(zip(rows.items(), colors, strict=True)):
        places = [place + (number - (len(rows) - 1) / 2) * width for place in range(len(groups))]
        bars = axes.bar(places, values, width, color=shade, label=label)
        axes.bar_label(bars, [_short(value) if value else "0" for value in values], padding=2, fontsize=6)
    axes.set_xticks(range(len(groups)), groups)
    axes.margins(y=0.12)
