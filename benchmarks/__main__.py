"""python -m benchmarks: measure our handler and the baselines in one run; writes the results, tables and plots."""

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks import environments, report, sections
from benchmarks.environments import BenchmarkError, say


def _listed(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return names

    return parse


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure cold starts, warm answers, size, cost and scale of our handler and of the baselines, in "
        "one run. The first run makes an environment for each of them (minutes).",
        parents=[report.pages_parser()],
    )
    _add_choice(p, "--only", sections.NAMES, "SECTION", "; cost needs cold and warm, load needs scale too")
    _add_choice(p, "--contenders", environments.NAMES, "NAME", "")
    p.add_argument("--rounds", type=int, default=10, help="how often everything is measured (default: %(default)s)")
    p.add_argument("--busy", action="store_true", help="measure although other programs use the processor")
    return p


def _add_choice(p: argparse.ArgumentParser, flag: str, known: tuple[str, ...], one: str, more: str) -> None:
    text = f"of {', '.join(known)} (default: all){more}"
    p.add_argument(flag, type=_listed(known), default=known, metavar=f"{one},...", help=text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        environments.emulator()
        contenders = environments.contenders(names=arguments.contenders)
        started = time.perf_counter()
        sections.measure(arguments.only, contenders, arguments.rounds, arguments.results, busy=arguments.busy)
        say(f"measured in {(time.perf_counter() - started) / 60:.1f} minutes")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return report.write_or_explain(arguments.results, arguments.readme, arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
