"""Have the machine forget the files that a handler reads, so that its next start reads them from disk."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")


def drop(folders: Iterable[Path]) -> None:
    """Drop the whole page cache (proc(5)); where that is not allowed, what is cached of these folders' files."""
    os.sync()  # a page that is not yet on disk is not dropped
    try:
        DROP_CACHES.write_text("1", encoding="ascii")
    except OSError:
        for path in _files(folders):
            _forget(path)


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def _forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
