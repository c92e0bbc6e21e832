"""What a process imports, by package, from Python's own trace (`-X importtime`)."""

import re
import sys
from typing import Any, Final

from benchmarks import figures

ON_DEMAND: Final = "on demand"
_PYTHON: Final = "python"
_WHY: Final = {
    _PYTHON: "Python itself",
    ON_DEMAND: "parts of the standard library that only this event needs",
    "PIL": "decodes and resizes",
    "serve": "our code",
    "lambda_function": "our entry point",
    "botocore": "S3's client",
}
_COLUMNS: Final = {"url": "image URL", "upload": "upload", "s3": "S3 event"}

Costs = dict[str, dict[str, float]]


def by_package(trace: str) -> Costs:
    """The number of modules of each package, and their milliseconds.

    Returns:
        By package: "modules" and "ms" of its own; "standard_modules" and "standard_ms" of the standard library's
        modules that it is the first to import. "python" is what Python imports before any program; "on demand" are
        modules of the standard library that a function imports.
    """
    lines = re.findall(r"^import time:\s*(\d+) \|\s*\d+ \|( +)(\S+)$", trace, re.MULTILINE)
    # A module's line follows those of its imports, which are indented further: read from the end.
    above: list[tuple[int, str]] = []
    packages: Costs = {}
    alone = ON_DEMAND
    for microseconds, indent, module in reversed(lines):
        while above and above[-1][0] >= len(indent):
            above.pop()
        alone = _PYTHON if module == "site" else alone
        package, kind = _owner(module, above[-1][1] if above else alone)
        above.append((len(indent), package))
        found = packages.setdefault(package, {"modules": 0, "ms": 0.0, "standard_modules": 0, "standard_ms": 0.0})
        found[f"{kind}modules"] += 1
        found[f"{kind}ms"] += int(microseconds) / 1e3
    return packages


def _owner(module: str, importer: str) -> tuple[str, str]:
    """The package that a module counts for, and "standard_" if it is the standard library's."""
    name = module.partition(".")[0]
    is_standard = name in sys.stdlib_module_names or name.startswith("_")
    return (importer, "standard_") if is_standard else (name, "")


def table(found: dict[str, Costs]) -> str:
    """A row for each package that takes a millisecond or more for any event; the trace itself takes time, too."""
    packages = {package for costs in found.values() for package in costs}
    most = {package: max(_total(costs, package)[1] for costs in found.values()) for package in packages}
    rows = [
        [f"`{package}`", *(_cell(costs, package) for costs in found.values()), _WHY.get(package, "")]
        for package in sorted(packages, key=lambda package: -most[package])
        if most[package] >= 1
    ]
    counts = [sum(_total(costs, package)[0] for package in costs) for costs in found.values()]
    rows.append(["all", *(f"{count:.0f} modules" for count in counts), ""])
    columns = [
        "package, with the standard library's modules that it imports first",
        *(_COLUMNS[kind] for kind in found),
    ]
    return figures.table([*columns, "why"], rows, text_last=True)


def _total(costs: Costs, package: str) -> tuple[float, float]:
    """Modules and milliseconds."""
    one: dict[str, Any] = costs.get(package, {"modules": 0, "ms": 0.0, "standard_modules": 0, "standard_ms": 0.0})
    return one["modules"] + one["standard_modules"], one["ms"] + one["standard_ms"]


def _cell(costs: Costs, package: str) -> str:
    modules, milliseconds = _total(costs, package)
    return f"{modules:.0f} modules, {milliseconds:.1f} ms" if modules else "-"
