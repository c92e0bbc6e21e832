"""What a person names on a command line -> photos, each with its answer: files, folders, URLs, standard input.

Photos are decoded side by side and answered in their order. No more than one encoded photo a thread is in memory.
"""

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from local.invoke import is_url
from serve.app import App
from serve.errors import ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.telemetry import Record
from serve.upload import Photo

STDIN: Final = "-"

SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"}
)
"""Which files of a folder are photos. HEIC is not taken; but a phone's photos should not be passed over in silence."""

# How many photos may wait, for each that is worked on, until a slow one before them is done.
_AHEAD: Final = 8


class UnreadableError(ProblemError):
    """A file or folder of this machine that cannot be read, or that has no photo in it. Nobody gets it over HTTP."""

    status, kind, title = 404, "unreadable-file", "Unreadable file"


@dataclass(frozen=True)
class Source:
    """One photo that was asked about.

    Attributes:
        name: what it is called: a path, a URL, or "-".
        load: called with the most bytes that are taken; raises a ProblemError where there is no photo to be had.
    """

    name: str
    load: Callable[[int], Photo]


@dataclass(frozen=True)
class Outcome:
    """What became of one photo."""

    name: str
    answer: Prediction | ProblemError


def find(names: Iterable[str], max_stdin_bytes: int) -> list[Source]:
    """All photos that the names stand for, in their order. What cannot be found is a source that raises.

    Args:
        names: paths of files or folders, URLs, or "-" for a photo on standard input, which is read now.
        max_stdin_bytes: of the photo on standard input; little more than this is read.
    """
    return [source for name in names for source in _named(name, max_stdin_bytes)]


def _named(name: str, max_stdin_bytes: int) -> list[Source]:
    if name == STDIN:
        # Not in a worker: a thread that waits for a pipe cannot be interrupted.
        photo = Photo(image=_read(sys.stdin.buffer, max_stdin_bytes))
        return [Source(name, lambda _max_bytes: photo)]
    if is_url(name):
        return [Source(name, lambda _max_bytes: Photo(url=name))]
    path = Path(name)
    return _in_folder(path) if path.is_dir() else [_file(path)]


def _in_folder(folder: Path) -> list[Source]:
    """The photos in a folder and all below it, sorted; hidden files and folders are left out, links to folders too."""
    unreadable: list[OSError] = []
    paths: list[Path] = []
    for place, subfolders, files in os.walk(folder, onerror=unreadable.append):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths.extend(Path(place, name) for name in files if _is_photo(Path(place, name)))
    found = [_file(path) for path in sorted(paths)]
    failed = [_failing(str(error.filename), _words(error)) for error in unreadable]
    suffixes = ", ".join(sorted(SUFFIXES))
    return found + failed or [_failing(str(folder), f"The folder has no photo in it: no file ends in {suffixes}.")]


def _is_photo(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES and path.is_file()


def _file(path: Path) -> Source:
    return Source(str(path), partial(_read_file, path))


def _failing(name: str, words: str) -> Source:
    def fail(_max_bytes: int) -> Photo:
        raise UnreadableError(words)

    return Source(name, fail)


def _read_file(path: Path, max_bytes: int) -> Photo:
    try:
        with path.open("rb") as file:
            return Photo(image=_read(file, max_bytes))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnreadableError(_words(error)) from error


def _read(file: BinaryIO, max_bytes: int) -> bytes:
    """At most one byte more than is taken, whatever the file holds: the app then says that it is too large."""
    return file.read(max_bytes + 1)


def _words(error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"It cannot be read: {reason[:1].lower()}{reason[1:]}."


def classify(source: Source, app: App) -> Outcome:
    """Classify one photo, as the function would; what is wrong with it is an answer too."""
    invocation = Invocation("command-line", deadline=math.inf)
    try:
        photo = source.load(app.settings.max_image_bytes)
        return Outcome(source.name, app.classify(photo, invocation, Record(invocation, source="command-line")))
    except ProblemError as problem:
        return Outcome(source.name, problem)


def classify_all(sources: Iterable[Source], app: App, jobs: int) -> Iterator[Outcome]:
    """Classify photos in `jobs` threads; outcomes come in the order of the sources, each as soon as it can.

    Whoever stops iterating does not wait for what is still under way.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="photo")
    pending: deque[Future[Outcome]] = deque()
    try:
        for source in sources:
            pending.append(pool.submit(classify, source, app))
            if len(pending) == jobs * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
