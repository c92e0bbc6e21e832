"""The look of every plot, of the card, the notebook and the benchmarks: ours in blue, baselines in gray."""

from contextlib import _GeneratorContextManager
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

FILE: Final = Path(__file__).with_name("style.mplstyle")
OURS: Final = "#0072b2"
OURS_OTHERWISE: Final = "#56b4e9"
BASELINE: Final = "#a0a0a0"
WIDTH: Final = 4.0
"""Of a plot that a phone shows whole, in inches: text of 8 points is then as large as the page's."""


def styled() -> _GeneratorContextManager[None]:
    """A context or a decorator: what is drawn in it has the style."""
    return mpl.rc_context(fname=FILE)


def blank(height: float, width: float = WIDTH) -> Figure:
    """An empty figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without a date: the same figure always gives the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with styled():
        figure.savefig(path, metadata={"Software": None})


def image(path: str, title: str, width: int = round(100 * WIDTH)) -> str:
    """A plot as a page shows it: half as wide as its pixels, `width` pixels."""
    return f'<img src="{path}" alt="{title}" width="{width}">'
