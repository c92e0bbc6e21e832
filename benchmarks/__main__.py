"""python -m benchmarks: measure every contender in one run, write the results, then the tables and plots."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from benchmarks import cold, environments, figures, report, size, warm
from benchmarks.environments import NAMES, OURS, ROOT, BenchmarkError, Contender, say
from benchmarks.scale import cost, growth, load
from benchmarks.scale.cost import Times
from benchmarks.scale.load import Measured
from serve.model import model_file

Results = dict[str, Any]

_PACKAGES: Final = (
    "ai-edge-litert", "awslambdaric", "boto3", "fastapi", "keras", "keras-image-helper", "numpy", "onnxruntime",
    "pillow", "tensorflow", "tflite-runtime", "urllib3", "uvicorn",
)  # fmt: skip


def _cost(contenders: list[Contender], results: Results) -> Results:
    return cost.run(
        {
            contender.name: Times(
                title=contender.title,
                warm_ms=_warm_ms(contender.name, results),
                cold_ms=_cold_ms(contender.name, results),
                peak_memory_mb=figures.summary(results["warm"]["memory"][contender.name]["large"])["max"] / 2**20,
            )
            for contender in contenders
        }
    )


def _load(results: Results) -> Results:
    warm_ms, line = _warm_ms(OURS, results), results["scale"]["batch_fit"]
    return load.run(Measured(warm_ms, _cold_ms(OURS, results) - warm_ms, line["base_ms"], line["photo_ms"]))


def _warm_ms(name: str, results: Results) -> float:
    return float(figures.summary(results["warm"]["answers"]["jpeg"][name]["p50"])["median"])


def _cold_ms(name: str, results: Results) -> float:
    return float(figures.summary(results["cold"]["warm_cache"]["upload"][name])["median"])


_RUNNERS: Final[dict[str, Callable[[list[Contender], int, Results], Results]]] = {
    "cold": lambda contenders, rounds, _: cold.run(contenders, rounds),
    "warm": lambda contenders, rounds, _: warm.run(contenders, rounds),
    "size": lambda contenders, _, __: size.run(contenders),
    "cost": lambda contenders, _, results: _cost(contenders, results),
    "scale": lambda contenders, rounds, _: growth.run(contenders, rounds),
    "load": lambda _, __, results: _load(results),
}
_NEEDS: Final = {"cost": ("cold", "warm"), "load": ("cold", "warm", "scale")}


def _listed(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(
                f"none is called {', '.join(sorted(unknown))}; there are {', '.join(known)}"
            )
        return names

    return parse


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure cold starts, warm answers, size, cost and scale of ours and of what it is compared with, "
        "in one run. The first run makes an environment for each (minutes).",
    )
    sections = tuple(_RUNNERS)
    p.add_argument(
        "--only", type=_listed(sections), default=sections, metavar="SECTION,...",
        help=f"of {', '.join(sections)} (default: all); cost needs cold and warm, load needs scale too",
    )  # fmt: skip
    p.add_argument(
        "--contenders",
        type=_listed(NAMES),
        default=NAMES,
        metavar="NAME,...",
        help=f"of {', '.join(NAMES)} (default: all)",
    )
    p.add_argument("--rounds", type=int, default=10, help="how often everything is measured (default: %(default)s)")
    p.add_argument(
        "--output", type=Path, default=Path("benchmarks/results.json"), help="where results go (default: %(default)s)"
    )
    p.add_argument("--readme", type=Path, default=Path("README.md"), help="whose marked part is replaced")
    p.add_argument("--folder", type=Path, default=Path("benchmarks"), help="of the full page and the plots")
    return p


def measure(only: tuple[str, ...], contenders: list[Contender], rounds: int, output: Path) -> Results:
    """Run the sections, and write what they found after each.

    Raises:
        BenchmarkError: a section lacks what another one finds, or fails.
    """
    for name in only:
        if missing := [needed for needed in _NEEDS.get(name, ()) if needed not in only]:
            raise BenchmarkError(f"{name} needs {', '.join(missing)}: add them to --only")
    results: Results = {"about": about(contenders, rounds)}
    for name, runner in _RUNNERS.items():
        if name in only:
            started = time.perf_counter()
            results[name] = runner(contenders, rounds, results)
            results["about"]["seconds"][name] = round(time.perf_counter() - started, 1)
            say(f"{name}: {results['about']['seconds'][name]:.0f} s")
            output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def about(contenders: list[Contender], rounds: int) -> Results:
    """When, where and with what the run is made."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": rounds,
        "machine": f"{os.cpu_count()} cores of {_processor()}, {platform.freedesktop_os_release()['PRETTY_NAME']}",
        "python": _output([str(contenders[0].python), "--version"]),
        "load": os.getloadavg()[0],
        "model_version": model_file.read(ROOT / "models" / "cats_dogs.tflite").version,
        "versions": {contender.title: _versions(contender) for contender in contenders},
        "seconds": {},
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    # An Arm processor does not say its name there.
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _versions(contender: Contender) -> dict[str, str]:
    found = {each.name.lower(): each.version for each in distributions(path=[str(contender.site_packages)])}
    return {name: found[name] for name in _PACKAGES if name in found}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        environments.emulator()
        contenders = environments.contenders(names=arguments.contenders)
        started = time.perf_counter()
        measure(arguments.only, contenders, arguments.rounds, arguments.output)
        say(f"measured in {(time.perf_counter() - started) / 60:.1f} minutes")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return report.main(
        ["--results", str(arguments.output), "--readme", str(arguments.readme), "--folder", str(arguments.folder)]
    )


if __name__ == "__main__":
    sys.exit(main())
