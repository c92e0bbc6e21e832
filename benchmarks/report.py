"""python -m benchmarks.report: write the tables and plots of a run's results, so that no figure is typed by hand.

benchmarks/README.md gets all of them. README.md gets the most important ones, between its two marks.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks import cold, figures, machine, plots, size, targets, warm
from benchmarks.bare import FLOOR
from benchmarks.environments import ROOT
from benchmarks.scale import cost, growth, load
from evaluate import marks, style

BEGIN: Final = "<!-- benchmarks: written by `python -m benchmarks` -->"
END: Final = "<!-- end of benchmarks -->"

RESULTS: Final = ROOT / "benchmarks" / "results.json"
SECTIONS: Final[dict[str, tuple[str, ModuleType]]] = {
    "cold": ("Cold start", cold),
    "warm": ("Warm", warm),
    "size": ("Size", size),
    "cost": ("Cost", cost),
    "scale": ("Scale", growth),
    "load": ("A thousand times the load", load),
}

_METHOD: Final = """\
`make benchmarks` repeats this, with Python 3.11. `python -m benchmarks.report` rewrites these pages and plots from
`results.json`, and from the `results-NAME.json` of other machines.

Each baseline has a virtual environment of its own, made from hashed locks in [`requirements/`](requirements); our
handler's is made from the project's locks. All of them run the same trained network, `models/cats_dogs.keras`, and the
run stops if their answers differ. The baselines are written as public tutorials write them: see
[`contenders/`](contenders). All take turns within every round of one run. A cell is the median (minimum to maximum) of
the rounds. A ratio is taken within each round. Compare ratios; absolute times depend on the machine.

- Cold: Lambda functions run under AWS's runtime interface emulator and runtime client, without a container. The
  emulator starts the client when the event arrives, and so does the clock. Keras's clock starts with uvicorn's process.
  Photos come from an HTTP server and from a stand-in for S3 (moto), on loopback.
- Read from disk: the bytes that the process has read from disk at its first answer (`read_bytes` of proc(5)), with the
  page cache dropped before its start.
- Warm: the handler is called in a loop in a process of its own. The photo is in an HTTP API's event (base64).
- The floor is a bare process with Pillow and LiteRT's C library alone. It decodes, resizes and runs the same photo by
  the same steps, and does nothing else.
- The photo is [`examples/cat.jpg`](../examples), resized, with the grain of a camera: {photo_bytes}.
"""


def with_summary(text: str, results: dict[str, Any]) -> str:
    """README.md with the most important figures between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    return marks.replaced(text, BEGIN, END, summary(results))


def page(results: dict[str, Any], others: Iterable[dict[str, Any]] = ()) -> str:
    """benchmarks/README.md.

    Args:
        results: of the run whose figures stand everywhere.
        others: of runs on other machines; see `of_other_machines`.
    """
    photo_bytes = results.get("warm", {}).get("photo_bytes", {})
    sizes = ", ".join(f"{warm.TITLES[kind]} {count / 1e3:,.0f} kB" for kind, count in photo_bytes.items())
    parts = [
        "# Benchmarks",
        _about(results) + _warning(results),
        _METHOD.format(photo_bytes=sizes or "not measured warm in this run").rstrip(),
    ]
    if overview(results):
        parts.append(style.image("plots/overview.png", "Cold start, warm answers, memory and size of each handler"))
    parts += ["## Targets", targets.table(results)]
    for other in others:
        title = f"## The same with {other['about']['machine']['instructions']}"
        parts += [title, _about(other) + _warning(other), _overview_table(other), targets.table(other)]
    for name, (title, module) in SECTIONS.items():
        if name in results:
            parts += [f"## {title}", _where(results), module.markdown(results[name])]
            parts.append(style.image(f"plots/{name}.png", title))
    return "\n\n".join([*parts, "## Versions", _versions(results["about"])]) + "\n"


def of_other_machines(file: Path) -> list[dict[str, Any]]:
    """The results of runs on other machines: those beside `file`, NAME.json, whose names are NAME-*.json."""
    return [json.loads(other.read_text(encoding="utf-8")) for other in sorted(file.parent.glob(f"{file.stem}-*.json"))]


def summary(results: dict[str, Any]) -> str:
    """The part of README.md about the run."""
    parts = [_about(results), *([_overview_table(results)] if overview(results) else [])]
    return "\n\n".join(
        [*parts, "Medians. All figures, and how they are measured: [`benchmarks/`](benchmarks/README.md)."]
    )


def _about(results: dict[str, Any]) -> str:
    about = results["about"]
    return (
        f"Measured on {about['date']} with {about['rounds']} rounds, on {machine.title(about['machine'])}, "
        f"{about['machine']['system']}, {about['python']}, model {about['model_version']}."
    )


def _warning(results: dict[str, Any]) -> str:
    busy = results["about"]["busy_cores"]
    if busy <= machine.QUIET_CORES:
        return ""
    return f" **The machine was busy: other programs used {busy:.2f} cores. Measure again before relying on this.**"


def _where(results: dict[str, Any]) -> str:
    return f"On {machine.title(results['about']['machine'])}:"


def _versions(about: dict[str, Any]) -> str:
    rows = [
        [name, ", ".join(f"{package} {version}" for package, version in found.items())]
        for name, found in about["versions"].items()
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def overview(results: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Summaries by handler's title, by what the run measured."""
    columns: dict[str, dict[str, dict[str, Any]]] = {}
    if "cold" in results:
        titles, url = results["cold"]["titles"], results["cold"]["warm_cache"]["url"]
        columns["cold start, image URL, ms"] = {titles[name]: figures.summary(values) for name, values in url.items()}
    if "warm" in results:
        titles, answers = results["warm"]["titles"], results["warm"]["answers"]
        for kind, title in (("jpeg", "warm, 500 x 375, ms"), ("large", "warm, 12 megapixels, ms")):
            named = {titles[name]: block for name, block in answers[kind].items() if name != FLOOR}
            columns[title] = {title: figures.summary(block["p50"]) for title, block in named.items()}
        columns["peak memory, MB"] = {
            titles[name]: figures.summary([value and value / 1e6 for value in peaks["large"]])
            for name, peaks in results["warm"]["memory"].items()
        }
    if "size" in results:
        columns["installed, MB"] = {
            found["title"]: figures.summary([found["installed"]["total_mb"]]) for found in results["size"].values()
        }
    return columns


def _overview_table(results: dict[str, Any]) -> str:
    columns = overview(results)
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [[name, *(_cell(title, column.get(name)) for title, column in columns.items())] for name in names]
    return figures.table(["", *columns], rows)


def _cell(title: str, found: dict[str, Any] | None) -> str:
    """The median alone: the ranges are on the full page."""
    return "-" if found is None else f"{found['median']:,.{1 if title.startswith('warm') else 0}f}"


def write(file: Path, readme: Path, folder: Path) -> None:
    """Bring `readme`, `folder`/README.md and `folder`/plots up to date with the results in `file`.

    Raises:
        FileNotFoundError: there are no results.
        ValueError: `readme` has no marks.
    """
    results = json.loads(file.read_text(encoding="utf-8"))
    readme.write_text(with_summary(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page(results, of_other_machines(file)), encoding="utf-8")
    for name, (_, module) in SECTIONS.items():
        if name in results:
            module.plot(results[name], folder / "plots" / f"{name}.png")
    if overview(results):
        plots.panels(overview(results), folder / "plots" / "overview.png")


def pages_parser() -> argparse.ArgumentParser:
    """The flags that name files: those of `python -m benchmarks`, too."""
    p = argparse.ArgumentParser(add_help=False)
    for flag, path, text in (
        ("--results", RESULTS.relative_to(ROOT), "the file with the results"),
        ("--readme", Path("README.md"), "the page whose marked part is replaced"),
        ("--folder", Path("benchmarks"), "the folder of the full page and the plots"),
    ):
        p.add_argument(flag, type=Path, default=path, help=f"{text} (default: %(default)s)")
    return p


def parser() -> argparse.ArgumentParser:
    """The command line."""
    return argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description="Write the tables and plots of the results again.",
        parents=[pages_parser()],
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    return write_or_explain(arguments.results, arguments.readme, arguments.folder)


def write_or_explain(results: Path, readme: Path, folder: Path) -> int:
    """Write the pages, or print why not; returns the exit status."""
    try:
        write(results, readme, folder)
    except FileNotFoundError as error:
        print(f"error: {error.filename}: no such file; make it with `python -m benchmarks`", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{readme}, {folder / 'README.md'} and its plots have the figures of {results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
