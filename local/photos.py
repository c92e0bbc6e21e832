"""What a person names on a command line -> photos: files, folders, patterns, URLs, standard input.

Photos are decoded in several threads and answered in their order. Each thread holds one encoded photo at a time.
"""

import glob
import math
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

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
"""Which files of a folder are photos."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# How many photos may wait, for each thread, until a slow one before them is done.
_AHEAD: Final = 8


class UnreadableError(ProblemError):
    """A file or folder of this machine that cannot be read, or holds no photo. Never sent over HTTP."""

    status, kind, title = 404, "unreadable-file", "Unreadable file"


class UnexpectedError(ProblemError):
    """A bug that one photo has met; the others go on. Never sent over HTTP."""

    status, kind, title = 500, "internal-error", "Internal error"


class Item(NamedTuple):
    """One photo that was asked about.

    Attributes:
        name: a path, a URL, or "-".
        load: reads at most this many bytes and one more; raises a ProblemError where there is no photo.
        path: of a file; None for a URL and for standard input.
    """

    name: str
    load: Callable[[int], Photo]
    path: Path | None = None


class Answered(NamedTuple):
    """A photo with its answer."""

    item: Item
    answer: Prediction | ProblemError


def find(names: Iterable[str], max_stdin_bytes: int) -> list[Item]:
    """All photos that the names stand for, in their order, each once. A name without a photo is an item that raises.

    Args:
        names: paths of files or folders, patterns such as "*.jpg", URLs, or "-" for standard input, which is read now.
        max_stdin_bytes: of the photo on standard input.
    """
    once: dict[str, Item] = {}
    folders: dict[Path, Path] = {}
    for name in names:
        for item in _named(name, max_stdin_bytes):
            identity = _identity(item, folders)
            known = once.setdefault(identity, item)
            if known.path and known is not item and os.path.islink(known.path):  # noqa: PTH114  (raises nothing)
                once[identity] = item  # the photo itself, if it is there, too
    return list(once.values())


def _identity(item: Item, folders: dict[Path, Path]) -> str:
    """The same for two names of one photo. `folders`: those that were resolved, as most photos share theirs."""
    if item.path is None:
        return item.name
    try:
        if os.path.islink(item.path) or item.path.name in ("", ".."):  # noqa: PTH114  (raises nothing)
            return os.path.realpath(item.path)
        folder = item.path.parent
        if folder not in folders:
            folders[folder] = Path(os.path.realpath(folder))
    except OSError:  # the working directory has gone
        return item.name
    return str(folders[folder] / item.path.name)


def _named(name: str, max_stdin_bytes: int) -> list[Item]:
    if name == STDIN:
        # Not in a worker: a thread that waits for a pipe cannot be interrupted.
        photo = Photo(image=_read(sys.stdin.buffer, max_stdin_bytes))
        return [Item(name, lambda _max_bytes: photo)]
    if is_url(name):
        return [Item(name, lambda _max_bytes: Photo(url=name))]
    if scheme := _SCHEME.match(name):
        return [_failing(name, f"{scheme[0]} is not fetched: send an http or https URL, or download the photo.")]
    return _on_disk(name)


def _on_disk(name: str) -> list[Item]:
    path = Path(name)
    if os.path.isdir(path):  # noqa: PTH112  (raises nothing)
        return _in_folder(path)
    if glob.has_magic(name) and not os.path.lexists(name):  # a shell that expands no patterns, such as Windows'
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        return [item for one in found for item in _on_disk(one)] or [_failing(name, "No file matches the pattern.")]
    return [_file(path)]


def _in_folder(folder: Path) -> list[Item]:
    """The photos in a folder and all below it, sorted; hidden files and folders and linked folders are left out."""
    unreadable: list[OSError] = []
    paths: list[Path] = []
    for place, subfolders, files in os.walk(folder, onerror=unreadable.append):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths.extend(path for name in files if _is_photo(name) and _may_be_file(path := Path(place, name)))
    found = [_file(path) for path in sorted(paths)]
    failed = [_failing(str(error.filename), _reason(error)) for error in unreadable]
    suffixes = ", ".join(sorted(SUFFIXES))
    return found + failed or [_failing(str(folder), f"The folder has no photo in it: no file ends in {suffixes}.")]


def _is_photo(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122  (many names)


def _may_be_file(path: Path) -> bool:
    """Whether it is a file, or cannot be looked at: reading it says why."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def _file(path: Path) -> Item:
    return Item(str(path), partial(_read_file, path), path)


def _failing(name: str, detail: str) -> Item:
    def fail(_max_bytes: int) -> Photo:
        raise UnreadableError(detail)

    return Item(name, fail)


def _read_file(path: Path, max_bytes: int) -> Photo:
    try:
        with path.open("rb") as file:
            return Photo(image=_read(file, max_bytes))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnreadableError(_reason(error)) from error


def _read(file: BinaryIO, max_bytes: int) -> bytes:
    """One byte more than the limit at most: the app then says that the photo is too large."""
    return file.read(max_bytes + 1)


def _reason(error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"It cannot be read: {reason[:1].lower()}{reason[1:]}."


def classify(item: Item, app: App, *, explain: bool = False) -> Answered:
    """Classify one photo as the function does. Never raises: what is wrong with a photo is its answer."""
    invocation = Invocation("command-line", deadline=math.inf)
    try:
        photo = item.load(app.settings.max_image_bytes)._replace(explain=explain)
        return Answered(item, app.classify(photo, invocation, Record(invocation, source="command-line")))
    except ProblemError as problem:
        return Answered(item, problem)
    except Exception as error:  # noqa: BLE001  (one photo must not end a folder's run)
        return Answered(item, UnexpectedError(f"A bug: {error!r}. The photo was not classified."))


def classify_all(items: Iterable[Item], app: App, jobs: int, *, explain: bool = False) -> Iterator[Answered]:
    """Classify photos in `jobs` threads; answers come in the order of the items.

    An interpreter runs one photo at a time, so threads that shared one would wait for each other: `app` serves one of
    them, and the others have apps with the same settings.
    """
    local, ready = threading.local(), [app]

    def prepare() -> None:
        try:
            local.app = ready.pop()
        except IndexError:
            local.app = App(app.settings)

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="photo", initializer=prepare)
    pending: deque[Future[Answered]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(lambda item=item: classify(item, local.app, explain=explain)))  # type: ignore[misc]
            if len(pending) == jobs * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
