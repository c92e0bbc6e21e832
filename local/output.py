"""Answers as a person or a program reads them: a table, JSON lines, CSV, a summary."""

import csv
import io
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from local.photos import Answered, Item
from serve.app import result
from serve.errors import ProblemError
from serve.model.classifier import Prediction
from serve.model.explanation import Grid
from serve.model.model_file import Description

_MAX_NAME_WIDTH: Final = 60  # of the table's first column; a longer name pushes its own row aside
_COLORS: Final = {"uncertain": "33", "error": "31"}  # yellow and red: ECMA-48, "Select graphic rendition"
_CSV_COLUMNS: Final = ("photo", "label", "probability", "uncertain", "model_version", "error", "sorted_to")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV Injection": a spreadsheet would compute it
_SHADES: Final = "·░▒▓█"  # of a heat map: no evidence for the label, then a quarter of the most each


class Format(Protocol):
    """Turns answers into lines."""

    def heading(self) -> str | None:
        """The line before all others, if there is one."""

    def line(self, answered: Answered, sorted_to: Path | None) -> str:
        """The line of one photo, without its end."""


class JsonLines:
    """One JSON object a line."""

    def heading(self) -> None:
        """There is none."""

    def line(self, answered: Answered, sorted_to: Path | None) -> str:
        """`{"photo": ..., "label": ...}`, or `{"photo": ..., "error": {...}}`."""
        return json.dumps(_members(answered, sorted_to))


class Csv:
    """RFC 4180, with a heading; `error` is the problem's detail.

    Args:
        model: if it has more than two labels, each has a column with its probability.
        explain: also a column `explanation`, in JSON.
    """

    def __init__(self, model: Description, *, explain: bool = False) -> None:
        self._labels = model.labels if model.positive_class is None else ()
        self._columns = (*_CSV_COLUMNS, *map(_column, self._labels), *(["explanation"] if explain else []))

    def heading(self) -> str:
        """The names of the columns."""
        return self._record(dict(zip(self._columns, self._columns, strict=True)))

    def line(self, answered: Answered, sorted_to: Path | None) -> str:
        """One record."""
        members = _members(answered, sorted_to)
        if "error" in members:
            members["error"] = members["error"]["detail"]
        if str(members["photo"]).startswith(_FORMULA):
            members["photo"] = f"./{members['photo']}"
        for label, probability in members.pop("probabilities", {}).items():
            members[_column(label)] = probability
        return self._record(members)

    def _record(self, members: dict[str, Any]) -> str:
        record = io.StringIO()
        csv.DictWriter(record, self._columns, lineterminator="").writerow(members)
        return record.getvalue()


def _column(label: str) -> str:
    return f"P({label})"


class Table:
    """Columns on a terminal. Rows come one by one, so the widths are fixed beforehand.

    Args:
        items: whose names the first column holds.
        model: whose labels the second column holds.
    """

    def __init__(self, items: Sequence[Item], model: Description) -> None:
        self._name_width = min(max(display_width(item.name) for item in items), _MAX_NAME_WIDTH)
        self._label_width = max(len("label"), *map(display_width, model.labels))
        self._positive = model.positive_class
        self._colored = not os.environ.get("NO_COLOR")  # https://no-color.org

    def heading(self) -> str:
        """The names of the columns."""
        return self._columns("photo", "label", f"P({self._positive})" if self._positive else "probability")

    def line(self, answered: Answered, sorted_to: Path | None) -> str:
        """One photo's row."""
        name, answer = answered.item.name, answered.answer
        if isinstance(answer, ProblemError):
            return self._color("error", self._columns(name, "error:", answer.detail))
        doubt = "  uncertain" if answer.uncertain else ""
        placed = f"  -> {sorted_to}" if sorted_to else ""
        row = self._columns(name, answer.label, f"{answer.probability:.4f}{doubt}{placed}")
        row = self._color("uncertain", row) if doubt else row
        return "\n".join([row, *map("  ".__add__, heat_map(answer.explanation))]) if answer.explanation else row

    def _columns(self, name: str, label: str, rest: str) -> str:
        return f"{_padded(name, self._name_width)}  {_padded(label, self._label_width)}  {printable(rest)}"

    def _color(self, kind: str, row: str) -> str:
        return f"\x1b[{_COLORS[kind]}m{row}\x1b[0m" if self._colored else row


def heat_map(explanation: Grid) -> list[str]:
    """Where the evidence for the label is, as lines of characters: the darker, the more of it; two cells a place."""
    most = max(max(row) for row in explanation)
    return ["".join(2 * _shade(evidence, most) for evidence in row) for row in explanation]


def _shade(evidence: float, most: float) -> str:
    return _SHADES[min(4, 1 + int(4 * evidence / most))] if evidence > 0 else _SHADES[0]


def summary(counts: Counter[str]) -> str:
    """How many photos got each answer: "14 cat, 5 dog, 3 uncertain, 1 unreadable"."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def kind(answered: Answered) -> str:
    """What the summary counts a photo as."""
    answer = answered.answer
    if isinstance(answer, ProblemError):
        return "unreadable"
    return "uncertain" if answer.uncertain else answer.label


def display_width(text: str) -> int:
    """How many cells a terminal needs: two for wide characters, none for combining ones (Unicode Annex 11)."""
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, width: int) -> str:
    text = printable(text)
    return text + " " * (width - display_width(text))


def printable(text: str) -> str:
    """Without characters that steer a terminal or cannot be encoded: file names may come from strangers."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _members(answered: Answered, sorted_to: Path | None) -> dict[str, Any]:
    answer = answered.answer
    found = result(answer) if isinstance(answer, Prediction) else {"error": answer.problem()}
    return {"photo": answered.item.name, **found, **({"sorted_to": str(sorted_to)} if sorted_to else {})}
