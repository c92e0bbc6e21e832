"""Photos into folders by label. No file is ever overwritten."""

import filecmp
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from local.photos import Answered
from serve.model.classifier import Prediction

UNCERTAIN: Final = "uncertain"
"""The folder of photos whose confidence is below the model's threshold."""


class SortingError(Exception):
    """A photo cannot be put into its folder; the message says why."""


@dataclass(frozen=True)
class Sorter:
    """Copies or moves photos to `folder`/label/name.

    Attributes:
        dry_run: only say where each photo would go.
        promised: in a dry run, the photo that would go to each place.
    """

    folder: Path
    action: Literal["copy", "move"]
    dry_run: bool = False
    promised: dict[Path, Path] = field(default_factory=dict)

    def sort(self, answered: Answered) -> Path | None:
        """Where the photo went, or would go; None if it has no label, or is no file.

        Raises:
            SortingError: it cannot be written there.
        """
        path, answer = answered.item.path, answered.answer
        if path is None or not isinstance(answer, Prediction) or (path.exists() and not path.is_file()):
            return None  # a pipe, for one, is empty by now
        folder = self.folder / _folder_name(UNCERTAIN if answer.uncertain else answer.label)
        try:
            return self._placed(path, folder)
        except OSError as error:
            raise SortingError(f"{path}: cannot {self.action} it to {folder}: {error.strerror}") from error

    def _placed(self, path: Path, folder: Path) -> Path:
        for target in _free_names(folder, path.name):
            there = self.promised.get(target, target)
            if there.exists():
                if there.samefile(path) or filecmp.cmp(path, there, shallow=False):
                    return self._already_there(path, target)
                continue
            if self.dry_run:
                self.promised[target] = path
                return target
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # somebody else was faster: the next name
                _PLACE[self.action](path, target)
                return target
        raise AssertionError  # the names never end

    def _already_there(self, path: Path, target: Path) -> Path:
        if self.action == "move" and not self.dry_run and not _is_one_entry(path, target):
            path.unlink()
        return target


def _is_one_entry(path: Path, target: Path) -> bool:
    """Whether both are one file by one name: removing it would lose the photo. Two hard links are not."""
    if not target.samefile(path):
        return False
    if path.stat().st_nlink == 1 or target.is_symlink():
        return True
    one, other = (str(Path(os.path.realpath(each.parent), each.name)) for each in (path, target))
    return one.casefold() == other.casefold()  # on some file systems, case makes no other name


def _folder_name(label: str) -> str:
    """The label, unless it would lead out of the folder: it comes from a model file.

    Raises:
        SortingError: it would.
    """
    if label in ("", ".", "..") or Path(label).name != label or "\\" in label:
        raise SortingError(f"the label {label!r} cannot name a folder")
    return label


def _free_names(folder: Path, name: str) -> Iterator[Path]:
    stem, suffix = Path(name).stem, Path(name).suffix
    yield folder / name
    for number in itertools.count(2):
        yield folder / f"{stem}-{number}{suffix}"


def _copy(path: Path, target: Path) -> None:
    with path.open("rb") as source:
        copy = target.open("xb")
        try:
            with copy:
                shutil.copyfileobj(source, copy)
        except BaseException:
            target.unlink()  # half a photo would stay among the whole ones
            raise
    shutil.copystat(path, target)


def _move(path: Path, target: Path) -> None:
    # A symbolic link may lead elsewhere from there: its photo is copied.
    if path.is_symlink() or not _linked(path, target):
        _copy(path, target)
    try:
        path.unlink()
    except OSError:
        target.unlink()
        raise


def _linked(path: Path, target: Path) -> bool:
    try:
        os.link(path, target)  # a rename would overwrite
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without hard links
        return False
    return True


_PLACE: Final[dict[str, Callable[[Path, Path], None]]] = {"copy": _copy, "move": _move}
