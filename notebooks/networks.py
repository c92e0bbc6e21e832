"""What the cells of the notebook use to compare networks and files."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from evaluate import metrics, names, plots, style

Numbers = npt.NDArray[np.float64]

EXPLAINED: Final = {
    "scratch": "five convolutions with random initial weights: the baseline for transfer learning",
    "frozen": "ImageNet's weights stay unchanged, and one layer on top is trained",
    "fine-tune": "all layers are trained, at a lower rate",
    "fine-tune-2": "the same again, from the same frozen network, with other crops in another order",
    "distill": "starts from the average of both fine-tuned networks' weights and learns their answers",
}


@dataclass(frozen=True)
class Trained:
    """A network at the end of a phase of its training; `metrics` are those of the test split."""

    name: str
    phase: str
    metrics: dict[str, Any]
    seconds: float
    parameters: int
    bytes: int

    @property
    def mistakes(self) -> int:
        """The photos of the test split off the diagonal of the confusion matrix."""
        (_, false_positive), (missed, _) = self.metrics["confusion"]
        return int(false_positive + missed)

    @property
    def accuracy(self) -> float:
        """On the test split."""
        return float(self.metrics["accuracy"])


def trained(known: dict[str, Any]) -> list[Trained]:
    """The networks that metadata.json describes."""
    return [
        Trained(
            names.network(model, phase), phase, found, about["phase_seconds"][phase], about["parameters"],
            about["bytes"],
        )
        for model, about in sorted(known["models"].items())
        for phase, found in about["test"].items()
    ]  # fmt: skip


def confusions(networks: Sequence[Trained], labels: Sequence[str]) -> Figure:
    """The confusion matrix of each network."""
    rows = -(-len(networks) // 2)
    figure = style.blank(2.1 * rows)
    every = list(figure.subplots(rows, 2, squeeze=False).flat)
    for axes in every[len(networks) :]:
        axes.set_axis_off()
    for axes, network in zip(every, networks, strict=False):
        plots.draw_confusion(axes, network.metrics["confusion"], labels)
        axes.set_title(network.name.replace(", ", "\n"), fontsize=8)
    return figure


def step(before: Trained, after: Trained) -> str:
    """The gain and the cost of the step from one network to the next."""
    apart = before.metrics["accuracy_interval"][1] < after.metrics["accuracy_interval"][0]
    return (
        f"- From “{before.name}” to “{after.name}”: {before.mistakes} mistakes become {after.mistakes}, AUC "
        f"{before.metrics['auc']:.4f} becomes {after.metrics['auc']:.4f}; this phase takes {after.seconds / 60:.0f} "
        f"minutes, the other {before.seconds / 60:.0f}. The 95% intervals "
        + ("do not overlap." if apart else "overlap: these photos alone do not decide.")
    )


@dataclass(frozen=True)
class Form:
    """The network in one precision, beside Keras."""

    name: str
    bytes: int
    metrics: dict[str, Any]
    agreement: float
    difference: float
    inference_ms: float


def form(name: str, size: int, truth: npt.ArrayLike, said: Numbers, reference: Numbers, inference_ms: float) -> Form:
    """Metrics of answers, and how they differ from those of reference."""
    agreement = float(((said >= 0.5) == (reference >= 0.5)).mean())
    difference = float(np.abs(said - reference).mean())
    return Form(name, size, metrics.measure(truth, said), agreement, difference, inference_ms)


def milliseconds(call: Callable[[Any], object], inputs: Iterable[Any]) -> float:
    """The median time of a call, over these inputs."""
    times = []
    for one in inputs:
        started = time.perf_counter()
        call(one)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)
