"""The description that travels inside a .tflite file, so that replacing one file replaces the model.

It is packed the way TFLite metadata packs its associated files: a zip archive behind the model's own bytes. Every
TFLite interpreter ignores it, and any zip tool lists it: `unzip -p cats_dogs.tflite metadata.json`.
"""

import json
import zipimport
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

_METADATA: Final = "metadata.json"
_LABELS: Final = "labels.txt"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's first date: the same content gives the same bytes


class Description(NamedTuple):
    """What a model file says of itself.

    Attributes:
        labels: two or more.
        positive_class: of two labels, the one whose probability the network returns. None if there are more: the
            network then returns the probability of each, in their order.
        version: the first 12 hex digits of the SHA-256 of the model without this description.
        details: anything else: how it was trained and converted.
    """

    labels: tuple[str, ...]
    positive_class: str | None
    version: str
    details: Mapping[str, Any] = MappingProxyType({})

    @property
    def confidence_threshold(self) -> float | None:
        """The confidence below which a photo is uncertain; None if the file has no threshold."""
        return self.details.get("confidence_threshold")


def pack(model: bytes, labels: tuple[str, ...], positive_class: str | None, details: dict[str, Any]) -> bytes:
    """The model with its description appended; the arguments are those of `Description`."""
    import hashlib  # here, because serving only reads
    import io
    import zipfile

    described = {
        "labels": labels,
        **({} if positive_class is None else {"positive_class": positive_class}),
        "version": hashlib.sha256(model).hexdigest()[:12],
        **details,
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in ((_METADATA, json.dumps(described, indent=1)), (_LABELS, "\n".join(labels) + "\n")):
            file.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return model + archive.getvalue()


def read(path: Path) -> Description:
    """The description inside the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no description, or an incomplete one.
    """
    path.stat()  # a missing file is not one without a description
    try:
        details = json.loads(_member(path, _METADATA))
        description = Description(
            labels=tuple(details.pop("labels")),
            positive_class=details.pop("positive_class", None),
            version=details.pop("version"),
            details=details,
        )
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: has no description inside; make it with `python -m convert`") from error
    _check_labels(path, description)
    return description


def _check_labels(path: Path, description: Description) -> None:
    labels, positive_class = description.labels, description.positive_class
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise ValueError(f"{path}: needs two or more different labels")
    if len(labels) == 2 and positive_class not in labels:
        raise ValueError(f"{path}: needs a positive class, one of its two labels")
    if len(labels) > 2 and positive_class is not None:
        raise ValueError(f"{path}: has a positive class and more than two labels")


def _member(path: Path, name: str) -> bytes:
    """A member of the archive in a file, by the zip reader that Python itself has loaded: `zipfile` would take longer.

    Raises:
        OSError: the file has no archive at its end, or none with that member.
    """
    try:
        archive = zipimport.zipimporter(str(path))
    except zipimport.ZipImportError as error:
        raise OSError(str(error)) from error
    archive.invalidate_caches()  # it remembers archives by their names; the file may be another one by now
    return archive.get_data(name)
