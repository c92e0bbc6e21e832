"""python -m local PHOTO ...: a table for a person, JSON lines for a program."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from local import photos
from local.photos import Outcome, Source
from serve.app import App, result
from serve.errors import ProblemError
from serve.model.classifier import Prediction
from serve.settings import Settings

_MAX_JOBS: Final = 8  # inference is one by one: more threads than this only wait for it
_MAX_NAME_WIDTH: Final = 60  # of the table's first column; a longer name pushes its own row aside

EPILOG: Final = """\
examples:
  python -m local cat.jpg
  python -m local holiday/ https://example.org/dog.jpg
  python -m local holiday/ | jq -r 'select(.label == "dog").photo'
  curl -s https://example.org/dog.jpg | python -m local -

output:
  On a terminal, a table. Into a pipe or a file, or with --json, one JSON object a line:
  {"photo": "cat.jpg", "label": "cat", "probability": 0.000324, "uncertain": false, "model_version": "..."}
  or, for a photo that could not be classified:
  {"photo": "cat.txt", "error": {"title": "...", "detail": "...", ...}}

exit status:
  0    every photo was classified
  1    some were not; the others were
  2    the command, a setting or the model file cannot be used
  130  interrupted (Ctrl-C)

Settings come from the environment, as those of the function do: MODEL_PATH, MAX_IMAGE_BYTES, URL_ALLOWED_HOSTS and
others; the README lists them. URLs are opened only if they lead to a public address.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m local",
        description="Say whether photos show a cat or a dog. The model knows two classes: given a horse, it still\n"
        "answers cat or dog. `uncertain` is true when its confidence is below the threshold in the model file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help="a file; a folder, searched for photos all the way down; a URL; or - for a photo on standard input",
    )
    p.add_argument("--json", action="store_true", help="JSON lines on a terminal, too")
    p.add_argument("--model", type=Path, metavar="FILE", help="a .tflite file in place of MODEL_PATH's")
    p.add_argument(
        "--jobs",
        type=_positive,
        default=min(os.cpu_count() or 1, _MAX_JOBS),
        metavar="N",
        help="photos that are fetched and decoded side by side (default: %(default)s)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        BrokenPipeError: nobody reads standard output any more.
    """
    p = parser()
    args = p.parse_args(argv)
    if args.photos.count(photos.STDIN) > 1:
        p.error("- stands for one photo: it can be given once")
    if photos.STDIN in args.photos and sys.stdin.isatty():
        p.error("- reads a photo from standard input, which is a terminal here: pipe one into it")
    # The cause of a failed fetch is for a server's log; here it would come between the rows.
    logging.getLogger("serve").addHandler(logging.NullHandler())
    try:
        app = _app(args.model)
    except OSError as error:
        return _unusable(f"the model file {error.filename}: {error.strerror}")
    except ValueError as error:
        return _unusable(str(error))
    sources = photos.find(args.photos, app.settings.max_image_bytes)
    as_json = args.json or not sys.stdout.isatty()
    return _classify(sources, app, args.jobs, as_line if as_json else Table(sources, app).row)


def as_line(outcome: Outcome) -> str:
    """One line of JSON about a photo."""
    match outcome.answer:
        case Prediction() as prediction:
            return json.dumps({"photo": outcome.name, **result(prediction)})
        case problem:
            return json.dumps({"photo": outcome.name, "error": problem.problem()})


class Table:
    """Rows of a table, its heading printed first: they come one by one, so its widths are known beforehand."""

    def __init__(self, sources: Sequence[Source], app: App) -> None:
        names = [len(source.name) for source in sources]
        self._name_width = min(max(names), _MAX_NAME_WIDTH)
        self._label_width = max(len("label"), *map(len, app.classifier.description.labels))
        print(self._columns("photo", "label", f"P({app.classifier.description.positive_class})"))

    def row(self, outcome: Outcome) -> str:
        """One photo's row."""
        match outcome.answer:
            case Prediction() as prediction:
                doubt = "  uncertain" if prediction.uncertain else ""
                return self._columns(outcome.name, prediction.label, f"{prediction.probability:.4f}{doubt}")
            case problem:
                return self._columns(outcome.name, "error:", problem.detail)

    def _columns(self, name: str, label: str, rest: str) -> str:
        return _printable(f"{name:<{self._name_width}}  {label:<{self._label_width}}  {rest}")


def _printable(text: str) -> str:
    """Without what would steer a terminal, or cannot be written to it: file names come from strangers, too."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _app(model: Path | None) -> App:
    settings = Settings.from_env()
    return App(replace(settings, model_path=model or settings.model_path))


def _unusable(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


def _classify(sources: Sequence[Source], app: App, jobs: int, line: Callable[[Outcome], str]) -> int:
    failed = 0
    with _printer(len(sources)) as show:
        for outcome in photos.classify_all(sources, app, jobs):
            failed += isinstance(outcome.answer, ProblemError)
            show(line(outcome))
    if failed and len(sources) > 1:
        print(f"{failed} of {len(sources)} photos were not classified", file=sys.stderr)
    return 1 if failed else 0


@contextmanager
def _printer(total: int) -> Iterator[Callable[[str], None]]:
    """Prints a photo's line; on a terminal, a bar on standard error tells how many there are still to come."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:  # comes with LiteRT, not with tflite-runtime
        tqdm = None
    if tqdm is None or total == 1 or not sys.stderr.isatty():
        yield partial(print, flush=True)
        return
    # Lines that go elsewhere than the bar need not make way for each other.
    write = tqdm.write if sys.stdout.isatty() else print
    with tqdm(total=total, unit="photo", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def show(line: str) -> None:
            write(line)
            sys.stdout.flush()
            bar.update()

        yield show


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
