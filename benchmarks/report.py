"""python -m benchmarks.report: tables and plots anew from a run's results, so that no figure is typed.

benchmarks/README.md gets everything; README.md, between its two marks, what matters most.
"""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks import cold, figures, plots, size, targets, warm
from benchmarks.environments import ROOT
from benchmarks.scale import cost, growth, load
from benchmarks.warm import FLOOR
from evaluate import marks

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
`make benchmarks` repeats all of this on your machine; `python -m benchmarks.report` writes these pages and plots anew
from `results.json`.

Each contender has a virtual environment of its own, made from hashed locks in [`requirements/`](requirements) (ours:
from the project's own), and answers with the same trained network, `models/cats_dogs.keras`; the run stops if they do
not answer alike. Their code is in [`contenders/`](contenders), written as public tutorials write it. They take turns
within every round, all in one run. A cell is the median (least to most) of the rounds; a ratio is taken within each
round. Times vary by a third from run to run and from machine to machine: the ratios are what means something.

- Cold: Lambda functions run under AWS's runtime interface emulator and runtime client, without a container. The clock
  starts when the event is sent, which is when the emulator starts the client. Keras's starts with uvicorn's process.
  Photos come from an HTTP server and from a stand-in for S3 (moto), on loopback.
- Warm: the handler is called in a loop in a process of its own, with the photo in an HTTP API's event (base64).
- The floor: NumPy, Pillow and LiteRT in a bare process, with the same decode and resize, and nothing around it.
- The photo is [`examples/cat.jpg`](../examples), resized, with the grain of a camera: {photo_bytes}.
"""


def with_summary(text: str, results: dict[str, Any]) -> str:
    """README.md with what matters most between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    return marks.replaced(text, BEGIN, END, summary(results))


def page(results: dict[str, Any]) -> str:
    """benchmarks/README.md."""
    photo_bytes = results.get("warm", {}).get("photo_bytes", {})
    sizes = ", ".join(f"{warm.TITLES[kind]} {count / 1e3:,.0f} kB" for kind, count in photo_bytes.items())
    parts = [
        "# Benchmarks",
        _about(results),
        _METHOD.format(photo_bytes=sizes or "not measured warm in this run").rstrip(),
    ]
    parts += ["## What is promised, and what holds", targets.table(results)]
    for name, (title, module) in SECTIONS.items():
        if name in results:
            parts += [f"## {title}", module.markdown(results[name]), f"![{title}](plots/{name}.png)"]
    return "\n\n".join([*parts, "## Versions", _versions(results["about"])]) + "\n"


def summary(results: dict[str, Any]) -> str:
    """What README.md says of the run."""
    parts = [_about(results)]
    if overview(results):
        parts += [_overview_table(results), "![Cold start, warm answers and memory](benchmarks/plots/overview.png)"]
    parts += ["What is promised, and what holds:", targets.table(results)]
    return "\n\n".join([*parts, "All of it, and how it is measured: [`benchmarks/`](benchmarks/README.md)."])


def _about(results: dict[str, Any]) -> str:
    about = results["about"]
    busy = (
        f" The machine was busy with something else: its load was {about['load']:.1f}." if about["load"] > 0.5 else ""
    )
    return (
        f"Measured on {about['date']} with {about['rounds']} rounds, on {about['machine']}, {about['python']}, model "
        f"{about['model_version']}.{busy}"
    )


def _versions(about: dict[str, Any]) -> str:
    rows = [
        [name, ", ".join(f"{package} {version}" for package, version in found.items())]
        for name, found in about["versions"].items()
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def overview(results: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Summaries by contender's title, by what is measured: as far as the run measured it."""
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
    if found is None:
        return "-"
    if found["min"] == found["max"]:
        return f"{found['median']:,.0f}"
    return figures.spread(found, 1 if title.startswith("warm") else 0)


def write(results: dict[str, Any], readme: Path, folder: Path) -> None:
    """Bring `readme`, `folder`/README.md and `folder`/plots up to date.

    Raises:
        ValueError: `readme` has no marks.
    """
    readme.write_text(with_summary(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page(results), encoding="utf-8")
    for name, (_, module) in SECTIONS.items():
        if name in results:
            module.plot(results[name], folder / "plots" / f"{name}.png")
    if overview(results):
        plots.panels(overview(results), folder / "plots" / "overview.png")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description="Write tables and plots anew from results.json.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    p.add_argument("--results", type=Path, default=RESULTS.relative_to(ROOT), help="what `python -m benchmarks` wrote")
    p.add_argument("--readme", type=Path, default=Path("README.md"), help="whose marked part is replaced")
    p.add_argument("--folder", type=Path, default=Path("benchmarks"), help="of the full page and the plots")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        results = json.loads(arguments.results.read_text(encoding="utf-8"))
        write(results, arguments.readme, arguments.folder)
    except FileNotFoundError as error:
        print(f"error: {error.filename}: no such file; make it with `python -m benchmarks`", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.readme}, {arguments.folder / 'README.md'} and its plots have the figures of {arguments.results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
