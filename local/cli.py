"""classify PHOTO ...: a table for a person, JSON lines or CSV for a program."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from local import photos
from local.output import Csv, Format, JsonLines, Table, kind, printable, summary
from local.photos import Answered, Item
from local.sorting import Sorter, SortingError
from serve import VERSION
from serve.app import App
from serve.settings import Settings

_MAX_JOBS: Final = 8

EPILOG: Final = """\
examples:
  classify cat.jpg
  classify holiday/ https://example.org/dog.jpg
  classify holiday/ --copy-to sorted/ --dry-run
  classify holiday/ | jq -r 'select(.label == "dog").photo'
  curl -s https://example.org/dog.jpg | classify -

output:
  On a terminal, a table. Into a pipe or a file, or with --json, one JSON object a line:
  {"photo": "cat.jpg", "label": "cat", "probability": 0.000721, "uncertain": false, "model_version": "..."}
  or, for a photo that could not be classified:
  {"photo": "cat.txt", "error": {"title": "...", "detail": "...", ...}}
  With more than two labels, "probabilities" holds that of each; with --csv, each has a column.
  With --explain, "explanation" holds the evidence for the label at each place of the photo, row by row
  (positive numbers speak for it, negative ones against it); the table draws it.
  A summary of several photos goes to standard error.

exit status:
  0    every photo was classified
  1    some were not; the others were
  2    the command, a setting or the model file cannot be used
  130  interrupted (Ctrl-C)

Settings come from environment variables, as on Lambda: MODEL_PATH, MAX_IMAGE_BYTES, URL_ALLOWED_HOSTS and others
(docs/settings.md). URLs are opened only if they lead to a public address, or into URL_ALLOWED_NETWORKS.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="classify",
        description="Classify photos by the labels of a model. Given anything else, it still answers one of its\n"
        "labels; `uncertain` is true when its confidence is below the threshold in the model file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help="a file; a folder, searched with all folders in it; a pattern; a URL; or - for standard input",
    )
    _add_output_options(p)
    _add_sorting_options(p)
    p.add_argument("--model", type=Path, metavar="FILE", help="a .tflite file in place of MODEL_PATH's")
    p.add_argument(
        "--jobs",
        type=_positive,
        default=min(os.cpu_count() or 1, _MAX_JOBS),
        metavar="N",
        help="photos that are decoded at once (default: %(default)s)",
    )
    p.add_argument("--version", action="version", version=f"classify {VERSION}")
    _add_completion(p)
    return p


def _add_output_options(p: argparse.ArgumentParser) -> None:
    formats = p.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="write JSON lines, on a terminal too")
    formats.add_argument("--csv", action="store_true", help="write CSV with a heading")
    p.add_argument("--explain", action="store_true", help="also say where in each photo the evidence for its label is")


def _add_sorting_options(p: argparse.ArgumentParser) -> None:
    sorting = p.add_mutually_exclusive_group()
    sorting.add_argument("--copy-to", type=Path, metavar="DIR", help="copy each photo to DIR/label; overwrite nothing")
    sorting.add_argument("--move-to", type=Path, metavar="DIR", help="move each photo to DIR/label; overwrite nothing")
    p.add_argument("--dry-run", action="store_true", help="with --copy-to or --move-to: only say where photos would go")


def _add_completion(p: argparse.ArgumentParser) -> None:
    try:
        import shtab
    except ModuleNotFoundError:  # comes with the local service's packages only
        return
    shtab.add_argument_to(p, ["--print-completion"], help="print a script that completes this command in a shell")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        BrokenPipeError: nobody reads standard output any more.
    """
    p = parser()
    args = p.parse_args(argv)
    _check(p, args)
    try:
        settings = Settings.from_env()
        settings = settings._replace(model_path=args.model or settings.model_path)
        app = App(settings)
    except OSError as error:
        return _unusable(f"the model file {error.filename}: {error.strerror}")
    except ValueError as error:
        return _unusable(str(error))
    if args.explain and not app.classifier.explains:
        return _unusable(f"--explain: {settings.model_path} has no class activation map; convert the model again")
    items = photos.find(args.photos, settings.max_image_bytes)
    answers = photos.classify_all(items, app, min(args.jobs, len(items)), explain=args.explain)
    return _show(answers, len(items), _format(args, items, app), _sorter(args))


def _check(p: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.photos.count(photos.STDIN) > 1:
        p.error("- stands for one photo: it can be given once")
    if photos.STDIN in args.photos and sys.stdin.isatty():
        p.error("- reads a photo from standard input, which is a terminal here: pipe one into it")
    if args.dry_run and not (args.copy_to or args.move_to):
        p.error("--dry-run needs --copy-to or --move-to")


def _format(args: argparse.Namespace, items: Sequence[Item], app: App) -> Format:
    if args.csv:
        return Csv(app.classifier.description, explain=args.explain)
    return JsonLines() if args.json or not sys.stdout.isatty() else Table(items, app.classifier.description)


def _sorter(args: argparse.Namespace) -> Sorter | None:
    if args.copy_to:
        return Sorter(args.copy_to, "copy", args.dry_run)
    return Sorter(args.move_to, "move", args.dry_run) if args.move_to else None


def _unusable(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


def _show(answers: Iterable[Answered], total: int, lines: Format, sorter: Sorter | None) -> int:
    counts: Counter[str] = Counter()
    with _printer(total) as show:
        if (heading := lines.heading()) is not None:
            show(heading, 0)
        for answered in answers:
            placed = None
            try:
                placed = sorter.sort(answered) if sorter else None
            except SortingError as error:
                print(f"error: {printable(str(error))}", file=sys.stderr)
                counts["not sorted"] += 1
            counts[kind(answered)] += 1
            show(lines.line(answered, placed), 1)
    if total > 1:
        print(summary(counts), file=sys.stderr)
    return 1 if counts["unreadable"] or counts["not sorted"] else 0


@contextmanager
def _printer(total: int) -> Iterator[Callable[[str, int], None]]:
    """Prints lines; on a terminal, a bar on standard error counts the photos."""
    tqdm = _tqdm() if total > 1 and sys.stderr.isatty() else None
    if tqdm is None:
        yield lambda line, _photos: print(line, flush=True)
        return
    # Lines that go elsewhere than the bar need not make way for each other.
    write = tqdm.write if sys.stdout.isatty() else print
    with tqdm(total=total, unit="photo", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def show(line: str, finished: int) -> None:
            write(line)
            sys.stdout.flush()
            bar.update(finished)

        yield show


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:  # comes with LiteRT, not with tflite-runtime
        return None
    return tqdm


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
