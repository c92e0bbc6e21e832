"""The targets, and whether a run meets them: decided by the run's own figures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import figures, machine
from benchmarks.bare import FLOOR
from benchmarks.environments import KERAS, OURS, TUTORIAL

Results = dict[str, Any]
Summary = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """An upper limit.

    Attributes:
        title: what is measured, and beside what.
        most: that the median may be.
        found: takes the results of a run, and gives the summary of what is measured. Raises KeyError where the run did
            not measure it.
        unit: behind the figures: "x" for a ratio.
        most_with_vnni: the limit on a processor with AVX-512 VNNI, if it is another one there.
    """

    title: str
    most: float
    found: Callable[[Results], Summary]
    unit: str = "x"
    most_with_vnni: float | None = None

    def limit(self, results: Results) -> float:
        """On the machine of the run."""
        has_vnni = results["about"]["machine"]["instructions"] == machine.VNNI
        return self.most_with_vnni if has_vnni and self.most_with_vnni else self.most


def _cold(*path: str, other: str) -> Callable[[Results], Summary]:
    """Ours / the other, in a part of the section "cold"."""

    def found(results: Results) -> Summary:
        samples = results["cold"]
        for name in path:
            samples = samples[name]
        return figures.ratios(samples[OURS], samples[other])

    return found


def _warm(kind: str, other: str) -> Callable[[Results], Summary]:
    def found(results: Results) -> Summary:
        blocks = results["warm"]["answers"][kind]
        return figures.ratios(blocks[OURS]["p50"], blocks[other]["p50"])

    return found


def _memory(results: Results) -> Summary:
    memory = results["warm"]["memory"]
    return figures.ratios(memory[OURS]["large"], memory[TUTORIAL]["large"])


def _image(results: Results) -> Summary:
    return figures.summary([results["size"][OURS]["image"]["total_mb"]])


_URL: Final = ("warm_cache", "url")
TARGETS: Final = (
    Target("cold, image URL / tutorial", 0.50, _cold(*_URL, other=TUTORIAL)),
    Target("cold, image URL, page cache dropped / tutorial", 0.45, _cold("cold_cache", other=TUTORIAL)),
    Target("cold, image URL / Keras", 0.02, _cold(*_URL, other=KERAS)),
    Target("read from disk at the first answer / tutorial", 0.45, _cold("disk_mb", other=TUTORIAL)),
    Target("cold, image URL, bare process / floor", 1.25, _cold("bare", other=FLOOR)),
    Target("cold, S3 / plain boto3", 0.30, _cold("s3_cost", other="plain")),
    Target("warm, small JPEG / tutorial", 0.85, _warm("jpeg", TUTORIAL), most_with_vnni=0.60),
    Target("warm, 12-megapixel JPEG / tutorial", 0.40, _warm("large", TUTORIAL)),
    Target("warm, small JPEG / floor", 1.20, _warm("jpeg", FLOOR)),
    Target("peak memory after 12 megapixels / tutorial", 0.33, _memory),
    Target("image, without its base", 50, _image, "MB"),
)


def table(results: Results) -> str:
    """Each target with its measured figure, as Markdown, headed by the processor."""
    rows = [_row(target, results) for target in TARGETS]
    processor = machine.title(results["about"]["machine"])
    return figures.table((f"ours / a baseline, on {processor}", "target", "measured", ""), rows, text_last=True)


def _row(target: Target, results: Results) -> list[str]:
    limit = target.limit(results)
    digits = 0 if limit >= 10 else 3 if limit < 0.1 else 2
    most = f"at most {limit:.{min(digits, 2)}f} {target.unit}"
    try:
        found = target.found(results)
    except KeyError:
        return [target.title, most, "not measured", ""]
    verdict = "holds" if found["median"] <= limit else "**missed**"
    return [target.title, most, figures.spread(found, digits, f" {target.unit}"), verdict]
