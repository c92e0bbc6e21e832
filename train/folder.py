"""A folder of class folders as a data set: the photos that are taken, and the reason for each file that is not.

Class folders at the top are split by content. Class folders in `train/`, `validation/` and `test/` keep their split; a
missing validation or test split is cut from `train/`.
"""

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from serve.model import formats

Split = Literal["train", "validation", "test"]

SHARES: Final[dict[Split, int]] = {"train": 80, "validation": 10, "test": 10}
"""In percent."""

MIN_PHOTOS: Final = 10
"""Photos per class, so that each split has one."""

ADVICE: Final = (
    f"each class needs {MIN_PHOTOS} photos at least, some in each split, and hundreds for a useful accuracy: add "
    "photos, or remove the class"
)

_NAMES: Final[dict[str, Split]] = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_SYSTEM: Final = frozenset({"__MACOSX", "@eaDir", "lost+found", "System Volume Information", "$RECYCLE.BIN"})
_SYSTEM_FILES: Final = frozenset({"thumbs.db", "desktop.ini"})
_UNREADABLE: Final = "cannot be read"


class FolderError(ValueError):
    """The folder cannot be used as a data set. The message says what to do."""


@dataclass(frozen=True, slots=True)
class File:
    """One photo of the folder.

    Attributes:
        name: its path in the folder, with "/".
        digest: SHA-256 of its content.
    """

    name: str
    label: str
    digest: str


@dataclass
class Listing:
    """The content of a folder.

    Attributes:
        labels: of the classes, sorted.
        splits: the photos of each split, by digest: an order that renaming a file does not change.
        left_out: why files and folders are left out, by name.
    """

    labels: tuple[str, ...] = ()
    splits: dict[Split, list[File]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def table(self) -> str:
        """The photos per class and split, and the files that are left out by reason, for the terminal."""
        counts = self._counts()
        width = max(len("class"), *map(len, self.labels))
        lines = [f"{'class':{width}}  " + "  ".join(f"{split:>10}" for split in SHARES)]
        rows = ([f"{counts[label, split]:>10,}" for split in SHARES] for label in self.labels)
        lines += [f"{label:{width}}  " + "  ".join(row) for label, row in zip(self.labels, rows, strict=True)]
        return "\n".join(lines + self.reasons())

    def reasons(self) -> list[str]:
        """A line for each reason to leave out files and folders."""
        lines = []
        for reason, number in Counter(self.left_out.values()).most_common():
            names = [name for name, why in self.left_out.items() if why == reason]
            lines.append(f"left out: {number:,} ({reason}): {named(names)}")
        return lines

    def too_few(self) -> str:
        """Which classes have too few photos to train on, or none in a split, and what to do; empty if all suffice."""
        counts = self._counts()
        of_each = {label: [counts[label, split] for split in SHARES] for label in self.labels}
        small = [f"{label} ({sum(of)})" for label, of in of_each.items() if sum(of) < MIN_PHOTOS or not all(of)]
        return f"too few photos of {named(small)}; {ADVICE}" if small else ""

    def _counts(self) -> Counter[tuple[str, Split]]:
        return Counter((file.label, split) for split, files in self.splits.items() for file in files)


def listing(root: Path) -> Listing:
    """List a folder, and split its photos.

    The split of a photo depends on its content: renaming or moving it within its class changes nothing.

    Raises:
        FolderError: the folder does not exist, or is no data set.
    """
    if not root.is_dir():
        raise FolderError(f"{root}: no such folder; it must hold one sub-folder of photos per class")
    try:
        return _listing(root)
    except OSError as error:
        raise FolderError(f"{error.filename}: {_UNREADABLE}: {error.strerror}") from error


def _listing(root: Path) -> Listing:
    found = Listing()
    given = _given_splits(root)
    taken = {split: list(_photos(root, folder, found.left_out)) for split, folder in given.items()}
    if given:
        beside = set(root.iterdir()) - set(given.values())
        found.left_out |= {_name(root, path): "beside the folders of the splits" for path in sorted(beside)}
    else:
        taken = {"train": list(_photos(root, root, found.left_out))}
    labels = {file.label for files in taken.values() for file in files}
    found.labels = tuple(sorted(labels, key=lambda label: (label.casefold(), label)))
    _check_labels(given.get("train", root), found)
    found.splits = _split(taken)
    return found


def named(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def printable(name: str) -> str:
    r"""The name of a file as text; bytes that are not UTF-8, as in old archives, as escapes such as `\udce9`."""
    return name.encode(errors="backslashreplace").decode()


def _given_splits(root: Path) -> dict[Split, Path]:
    folders: dict[Split, list[Path]] = defaultdict(list)
    for path in sorted(_subfolders(root)):
        if split := _NAMES.get(path.name.lower()):
            folders[split].append(path)
    if "train" not in folders:
        return {}
    for split, same in folders.items():
        if len(same) > 1:
            raise FolderError(
                f"{root}: {named([path.name for path in same])} are all the {split} split; leave one of them"
            )
    return {split: same[0] for split, same in folders.items()}


def _photos(root: Path, parent: Path, left_out: dict[str, str]) -> Iterator[File]:
    """The photos of all class folders in `parent`."""
    for path in sorted(parent.iterdir()):
        if not path.is_dir() or _is_system(path):
            left_out[_name(root, path)] = _why_not_class(path)
            continue
        before = len(left_out)
        files = list(_class_photos(root, path, left_out))
        if not files and len(left_out) == before:
            left_out[_name(root, path)] = "an empty folder"
        yield from files


def _why_not_class(path: Path) -> str:
    if _is_system(path):
        return "hidden or of the operating system"
    return "a broken link" if path.is_symlink() and not path.exists() else "not in a class folder"


def _class_photos(root: Path, folder: Path, left_out: dict[str, str]) -> Iterator[File]:
    def not_read(error: OSError) -> None:
        left_out[_name(root, Path(error.filename))] = _UNREADABLE

    seen: set[Path] = set()
    for place, subfolders, names in os.walk(folder, onerror=not_read, followlinks=True):
        real = Path(place).resolve()
        if real in seen:  # a link to a folder that holds it
            left_out[_name(root, Path(place))] = "a link to a folder that is listed already"
            subfolders.clear()
            continue
        seen.add(real)
        for name in [one for one in subfolders if _is_system(Path(one))]:
            left_out[_name(root, Path(place, name))] = "hidden or of the operating system"
            subfolders.remove(name)
        subfolders.sort()
        for name in sorted(names):
            path = Path(place, name)
            try:
                reason = _why_not_photo(path)
                digest = "" if reason else _digest(path)
            except OSError:
                reason = _UNREADABLE
            if reason:
                left_out[_name(root, path)] = reason
            else:
                yield File(path.relative_to(root).as_posix(), folder.name, digest)


def _why_not_photo(path: Path) -> str | None:
    """The reason to leave a file out; None for a photo of a supported format, whatever its name."""
    if _is_system(path):
        return "hidden or of the operating system"
    if not path.exists():
        return "a broken link"
    if not path.is_file():  # a pipe would wait for a writer
        return "not a regular file"
    with path.open("rb") as file:
        return None if formats.sniff(file.read(formats.HEADER_BYTES)) else "not an image of a supported format"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_system(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _SYSTEM or path.name.lower() in _SYSTEM_FILES


def _name(root: Path, path: Path) -> str:
    return printable(path.relative_to(root).as_posix())


def _subfolders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not _is_system(path))


def _check_labels(parent: Path, found: Listing) -> None:
    """Check the names of the class folders, which are in `parent`."""
    if len(found.labels) < 2:
        why = [f"needs at least two class folders with photos, has {list(found.labels)}", *found.reasons()]
        if _NAMES.get(parent.name.lower()) == "train":
            why.append("if train is itself a class, rename its folder: train/ holds the classes of a split")
        raise FolderError(f"{parent}: {'; '.join(why)}")
    if all(label.lower() in _NAMES for label in found.labels):
        raise FolderError(f"{parent}: has {named(found.labels)}, and no train/ with the training photos of each class")
    alike = defaultdict(list)
    for label in found.labels:
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in label):
            raise FolderError(f"{parent}: the name of the class folder {label!r} cannot be printed; rename it")
        alike[unicodedata.normalize("NFC", label).casefold()].append(label)
    for names in alike.values():
        if len(names) > 1:
            different = "only in case, or in how an accent is encoded"
            raise FolderError(f"{parent}: the class folders {names} differ {different}; rename or merge them")


def _split(taken: dict[Split, list[File]]) -> dict[Split, list[File]]:
    """Cut the splits that are missing from the training photos of each class."""
    missing = [split for split in SHARES if split not in taken]
    splits = {split: list(taken.get(split, ())) for split in SHARES}
    splits["train"] = []
    by_label = defaultdict(list)
    for file in taken["train"]:
        by_label[file.label].append(file)
    for files in by_label.values():
        rest = sorted(files, key=lambda file: (file.digest, file.name))
        whole = len(rest)
        for split in missing:
            size = max(1, whole * SHARES[split] // 100)
            splits[split] += rest[:size]
            rest = rest[size:]
        splits["train"] += rest
    # By digest, classes are mixed: a part of a split has photos of all of them.
    return {split: sorted(files, key=lambda file: (file.digest, file.name)) for split, files in splits.items()}
