"""Acceptance criteria: the figures that a file must reach. A file names them, or the size of the data does."""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from evaluate import metrics

FILE: Final = "criteria.toml"
MAX_ACCURACY_DROP: Final = 0.3  # percentage points
MAX_FALSE_ALARM_RATE: Final = 0.02
NAMES: Final = (
    "test accuracy", "test AUC", "test calibration error", "accuracy drop", "external accuracy", "false-alarm rate",
    "out-of-distribution recall",
)  # fmt: skip
"""Shares are 0-1; the accuracy drop from float32 to int8 is in percentage points."""

_SHARES: Final = frozenset({"test accuracy", "external accuracy", "false-alarm rate", "out-of-distribution recall"})
_BETTER_BELOW: Final = frozenset({"test calibration error", "accuracy drop", "false-alarm rate"})


@dataclass(frozen=True)
class Criterion:
    """A bound on one figure."""

    kind: Literal["at least", "at most"]
    bound: float

    def holds(self, figure: float) -> bool:
        """Whether the figure is within the bound, apart from rounding errors."""
        return figure >= self.bound - 1e-9 if self.kind == "at least" else figure <= self.bound + 1e-9


Criteria = dict[str, Criterion]


def load(file: Path) -> Criteria:
    """Read a file of lines such as `"test accuracy" = { at_least = 0.989 }`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not TOML, or a line is not a criterion.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: is not TOML: {error}") from error
    return {name: _criterion(file, name, bound) for name, bound in content.items()}


def _criterion(file: Path, name: str, bound: object) -> Criterion:
    if name not in NAMES:
        raise ValueError(f"{file}: there is no figure {name!r}; the figures are {', '.join(NAMES)}")
    kind: Literal["at least", "at most"] = "at most" if name in _BETTER_BELOW else "at least"
    key, most = kind.replace(" ", "_"), 100 if name == "accuracy drop" else 1
    number = bound.get(key) if isinstance(bound, dict) and len(bound) == 1 else None
    if isinstance(number, bool) or not isinstance(number, float | int) or not 0 <= number <= most:
        raise ValueError(f"{file}: {name!r} needs {{ {key} = NUMBER }}, from 0 to {most}")
    return Criterion(kind, float(number))


def defaults(test_photos: int, max_false_alarm_rate: float = MAX_FALSE_ALARM_RATE) -> Criteria:
    """The criteria for data without a file of its own: the file answers as the network does, and seldom `uncertain`.

    One photo of the test split is always within the bounds, which are those of the conversion.

    Args:
        test_photos: photos of the test split.
        max_false_alarm_rate: that of `python -m convert`.
    """
    return {
        "accuracy drop": Criterion("at most", max(MAX_ACCURACY_DROP, 100 / test_photos)),
        "false-alarm rate": Criterion("at most", max(max_false_alarm_rate, 1 / test_photos)),
    }


def packed(criteria: Criteria) -> dict[str, Any]:
    """As `evaluation.json` holds them."""
    return {name: asdict(criterion) for name, criterion in criteria.items()}


def of(evaluation: dict[str, Any]) -> Criteria:
    """The criteria that a file was checked against."""
    return {name: Criterion(**criterion) for name, criterion in evaluation["criteria"].items()}


def measured(evaluation: dict[str, Any], known: dict[str, Any]) -> dict[str, float]:
    """The figure for each criterion; those of photos that no data set has only if a folder of them was named.

    A file without a confidence threshold has no false alarms and no recall: what it would have with one is no figure
    here. Nor is the recall of the sample images of Python packages alone, which are few.

    Args:
        evaluation: the content of `evaluation.json`.
        known: the content of `metadata.json`.
    """
    test, uncertainty = evaluation["test"]["metrics"], evaluation["uncertainty"]
    compared = known["conversions"]["int8"]["runtimes"][evaluation["runtime"]]
    figures = {
        "test accuracy": test["accuracy"],
        "test AUC": test["auc"],
        "test calibration error": test["ece"],
        "accuracy drop": metrics.accuracy_drop(compared),
    }
    if uncertainty["in_answers"]:
        figures["false-alarm rate"] = uncertainty["false_alarms"]["share"]
    if uncertainty["in_answers"] and uncertainty.get("from_folder"):
        figures["out-of-distribution recall"] = uncertainty["recall"]["share"]
    if "external" in evaluation:
        figures["external accuracy"] = evaluation["external"]["metrics"]["accuracy"]
    return {name: figures[name] for name in NAMES if name in figures and name in evaluation["criteria"]}


def resolution(name: str, criterion: Criterion, photos: int) -> str:
    """A note if one photo decides the criterion; empty otherwise."""
    allowed = 1 - criterion.bound if criterion.kind == "at least" else criterion.bound
    if name not in _SHARES or allowed * photos >= 1 - 1e-9:
        return ""
    return f"; one of {photos} photos is {1 / photos:.1%}, so no mistake is allowed: measure on more photos"
