"""Photos into folders by label. No file is ever overwritten."""

import filecmp
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from local.photos import Answered
from serve.model.classifier import Prediction

UNCERTAIN: Final = "uncertain"
"""The folder of photos whose confidence is below the model's threshold."""


class SortingError(Exception):
    """A photo cannot be put into its folder; the message says why."""


class Sorter(NamedTuple):
    """Copies or moves photos to `folder`/label/name.

    Attributes:
        dry_run: only say where each photo would go.
    """

    folder: Path
    action: Literal["copy", "move"]
    dry_run: bool = False

    def sort(self, answered: Answered) -> Path | None:
        """Where the photo went, or would go; None if it has no label, or is no file.

        Raises:
            SortingError: it cannot be written there.
        """
        path, answer = answered.item.path, answered.answer
        if path is None or not isinstance(answer, Prediction):
            return None
        folder = self.folder / _folder_name(UNCERTAIN if answer.uncertain else answer.label)
        try:
            return self._placed(path, folder)
        except OSError as error:
            raise SortingError(f"{path}: cannot {self.action} it to {folder}: {error.strerror}") from error

    def _placed(self, path: Path, folder: Path) -> Path:
        for target in _free_names(folder, path.name):
            if target.exists():
                if target.samefile(path) or filecmp.cmp(path, target, shallow=False):
                    return self._already_there(path, target)
                continue
            if self.dry_run:
                return target
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # somebody else was faster: the next name
                _PLACE[self.action](path, target)
                return target
        raise AssertionError  # the names never end

    def _already_there(self, path: Path, target: Path) -> Path:
        if self.action == "move" and not self.dry_run and not target.samefile(path):
            path.unlink()
        return target


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
    with path.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
    shutil.copystat(path, target)


def _move(path: Path, target: Path) -> None:
    try:
        os.link(path, target)  # a rename would overwrite
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without hard links
        _copy(path, target)
    path.unlink()


_PLACE: Final[dict[str, Callable[[Path, Path], None]]] = {"copy": _copy, "move": _move}
