"""What is promised of the speed, and whether a run holds it: decided from the run's own figures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import figures
from benchmarks.environments import KERAS, OURS, TUTORIAL
from benchmarks.warm import BATCH, FLOOR

Results = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A ratio that must not be exceeded.

    Attributes:
        title: what is compared with what.
        most: that the median of the ratios may be.
        ratio: takes the results of a run, and gives the summary of the ratios within its rounds. Raises KeyError where
            the run did not measure it.
    """

    title: str
    most: float
    ratio: Callable[[Results], dict[str, Any]]


def _cold(other: str) -> Callable[[Results], dict[str, Any]]:
    def ratio(results: Results) -> dict[str, Any]:
        url = results["cold"]["warm_cache"]["url"]
        return figures.ratios(url[OURS], url[other])

    return ratio


def _cold_probe(part: str, other: str) -> Callable[[Results], dict[str, Any]]:
    return lambda results: figures.ratios(results["cold"][part][OURS], results["cold"][part][other])


def _warm(kind: str, other: str) -> Callable[[Results], dict[str, Any]]:
    def ratio(results: Results) -> dict[str, Any]:
        blocks = results["warm"]["answers"][kind]
        return figures.ratios(blocks[OURS]["p50"], blocks[other]["p50"])

    return ratio


def _memory(results: Results) -> dict[str, Any]:
    memory = results["warm"]["memory"]
    return figures.ratios(memory[OURS]["large"], memory[TUTORIAL]["large"])


def _batch(results: Results) -> dict[str, Any]:
    found = results["warm"]["batch"][OURS]
    return figures.ratios(found["ten"], found["one"])


TARGETS: Final = (
    Target("cold, image URL: the tutorial's handler", 0.75, _cold(TUTORIAL)),
    Target("cold, image URL: Keras on TensorFlow", 0.04, _cold(KERAS)),
    Target("cold, image URL, bare process: the floor", 1.25, _cold_probe("bare", "floor")),
    Target('cold, S3: `boto3.client("s3")` the plain way', 0.5, _cold_probe("s3_cost", "plain")),
    Target("warm, 500 x 375 JPEG: the floor", 1.3, _warm("jpeg", FLOOR)),
    Target("warm, 12-megapixel JPEG: the tutorial's handler", 0.35, _warm("large", TUTORIAL)),
    Target("peak memory after 12 megapixels: the tutorial's handler", 0.6, _memory),
    Target(f"{BATCH} photos from S3 in one event, a photo: one by one", 1.0, _batch),
)


def table(results: Results) -> str:
    """Each target with what was measured, as Markdown; what the run did not measure is said to be so."""
    rows = [_row(target, results) for target in TARGETS]
    return figures.table(("ours, compared with", "target", "measured", ""), rows, text_last=True)


def _row(target: Target, results: Results) -> list[str]:
    most = f"at most {target.most:.2f} x"
    try:
        found = target.ratio(results)
    except KeyError:
        return [target.title, most, "not measured", ""]
    verdict = "holds" if found["median"] <= target.most else "**missed**"
    return [target.title, most, figures.spread(found, 3 if target.most < 0.1 else 2, " x"), verdict]
