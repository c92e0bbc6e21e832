"""The sections of a run: what each measures, which others it needs, and where a run was made."""

import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from benchmarks import cold, figures, machine, size, warm
from benchmarks.environments import OURS, ROOT, BenchmarkError, Contender, say
from benchmarks.scale import cost, growth, load
from benchmarks.scale.cost import Times
from benchmarks.scale.load import Measured
from serve.model import model_file

Results = dict[str, Any]

_PACKAGES: Final = (
    "ai-edge-litert", "awslambdaric", "boto3", "botocore", "fastapi", "keras", "keras-image-helper", "numpy",
    "onnxruntime", "pillow", "tensorflow", "tflite-runtime", "urllib3", "uvicorn",
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
_TIMED: Final = ("cold", "warm", "scale")

NAMES: Final = tuple(_RUNNERS)


def measure(
    only: tuple[str, ...], contenders: list[Contender], rounds: int, output: Path, *, busy: bool = False
) -> Results:
    """Run the sections; writes the results so far after each.

    Args:
        only: names of sections.
        contenders: our handler and the baselines.
        rounds: how often everything is measured.
        output: a JSON file.
        busy: measure although other programs use the processor.

    Raises:
        BenchmarkError: a section fails, or needs another one; or the machine is busy.
    """
    for name in only:
        if missing := [needed for needed in _NEEDS.get(name, ()) if needed not in only]:
            raise BenchmarkError(f"{name} needs {', '.join(missing)}: add them to --only")
    results: Results = {"about": about(contenders, rounds)}
    for name in (name for name in NAMES if name in only):
        if name in _TIMED:
            _note_busy(results["about"], busy=busy)
        started = time.perf_counter()
        results[name] = _RUNNERS[name](contenders, rounds, results)
        results["about"]["seconds"][name] = round(time.perf_counter() - started, 1)
        say(f"{name}: {results['about']['seconds'][name]:.0f} s")
        output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def _note_busy(about: Results, *, busy: bool) -> None:
    """Keep the largest use of the processor by other programs."""
    cores = machine.busy_cores() if busy else machine.wait_until_quiet()
    about["busy_cores"] = max(about["busy_cores"], round(cores, 2))


def about(contenders: list[Contender], rounds: int) -> Results:
    """When, where and with what the run is made."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": rounds,
        "machine": machine.describe(),
        "python": _output([str(contenders[0].python), "--version"]),
        "busy_cores": 0.0,
        "model_version": model_file.read(ROOT / "models" / "cats_dogs.tflite").version,
        "versions": {contender.title: _versions(contender) for contender in contenders},
        "seconds": {},
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _versions(contender: Contender) -> dict[str, str]:
    found = {each.name.lower(): each.version for each in distributions(path=[str(contender.site_packages)])}
    return {name: found[name] for name in _PACKAGES if name in found}
