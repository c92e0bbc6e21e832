"""python -m evaluate check|report: does a file hold its acceptance criteria; write the card and the tables."""

import sys

from evaluate import check, report


def main(arguments: list[str]) -> int:
    """Run a command; returns the exit status."""
    if arguments[:1] == ["report"]:
        return report.main()
    if arguments[:1] == ["check"]:
        return check.main(arguments[1:])
    print("usage: python -m evaluate check [--help] | python -m evaluate report", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
