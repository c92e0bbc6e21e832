"""Replaces the shipped model with that of a run: all files together, or none."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from evaluate import card, check, criteria, report
from serve.model import model_file
from train import data, interrupts, metadata
from train.folder import named

SHIPPED: Final = {"network": "cats_dogs.keras", "int8": "cats_dogs.tflite", "float16": "cats_dogs.float16.tflite"}
"""The names that Dockerfile, settings and documents use, whatever the labels."""

_IN_FOLDERS: Final = {"history": ".json", "plots": ".png"}
"""The folders of a model, and the suffix of what is in each."""
_WRITTEN: Final = frozenset(
    {*SHIPPED.values(), "baseline.keras", "model.keras", metadata.FILE, check.FILE, criteria.FILE, "README.md"}
)
"""The files of a model."""


def publish(run: Path, shipped: Path, data_dir: Path | None = None) -> None:
    """Replace the shipped model.

    Args:
        run: the folder of the run.
        shipped: the folder of the shipped model, or a link to it.
        data_dir: the photos, if they are not where they were in training.

    Raises:
        ValueError: a file or a figure is missing, or they do not belong together; or `shipped` is no place for a model.
        DataError: the photos are not those that the network was trained on.
    """
    known, evaluation = report.measured(run)
    files = _files(run, known)
    shipped = shipped.resolve()
    _check_place(run.resolve(), shipped)
    data_set = metadata.data_set_of(known, data_dir)
    shipped.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{shipped.name}.", dir=shipped.parent))
    try:
        if required := check.criteria_file(run, known, shipped):
            shutil.copyfile(required, staging / criteria.FILE)
        _fill(staging, run, files, _renamed(known), evaluation, data_set)
        _swap(staging, shipped)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"{shipped} has the model of {run}, version {evaluation['model_version']}")


def _files(run: Path, known: dict[str, Any]) -> dict[str, Path]:
    """The files to ship, each checked against its entry in metadata.json."""
    files = {}
    for mode in ("int8", "float16"):
        conversion = known["conversions"].get(mode)
        if conversion is None:
            raise ValueError(f"{run}: has no {mode} file; make it with `python -m convert --quantize {mode}`")
        files[mode] = run / conversion["file"]
        if not files[mode].is_file() or model_file.read(files[mode]).version != conversion["version"]:
            raise ValueError(f"{files[mode]}: is not the file that {metadata.FILE} describes; convert again")
    network = _network(known)
    if known["conversions"]["float16"]["network"] != network:
        raise ValueError(f"{run}: its int8 and float16 files are of different networks; convert one network to both")
    int8, float16 = (
        (one["mirrored"], one["temperature"], one["confidence_threshold"] is None, one.get("max_false_alarm_rate"))
        for one in (known["conversions"][mode] for mode in files)
    )
    if int8 != float16:
        raise ValueError(f"{run}: its int8 and float16 files are of different conversions; convert to both at once")
    return {"network": run / known["models"][network]["file"], **files}


def _network(known: dict[str, Any]) -> str:
    """The name of the network that the files were made from."""
    return str(known["conversions"]["int8"]["network"])


def _renamed(known: dict[str, Any]) -> dict[str, Any]:
    """The metadata with the names of the shipped files, without the place of the photos on this machine."""
    renamed: dict[str, Any] = json.loads(json.dumps(known))
    renamed.pop("data_dir", None)
    renamed["models"][_network(known)]["file"] = SHIPPED["network"]
    renamed["conversions"] = {mode: renamed["conversions"][mode] for mode in ("int8", "float16")}
    for mode, conversion in renamed["conversions"].items():
        conversion["file"] = SHIPPED[mode]
    return renamed


def _check_place(run: Path, shipped: Path) -> None:
    """Refuse a folder that holds anything else than a model: all of it would be deleted."""
    if shipped == run or shipped in run.parents or run in shipped.parents:
        raise ValueError(f"{shipped}: has the run in it, or is in it; name another folder with --to")
    if shipped.exists() and not shipped.is_dir():
        raise ValueError(f"{shipped}: is no folder; name one with --to")
    found = {path.relative_to(shipped) for path in shipped.rglob("*")} if shipped.exists() else set()
    if found and Path(SHIPPED["int8"]) not in found:
        raise ValueError(f"{shipped}: holds files, and no model; name another folder with --to")
    if others := sorted(path.as_posix() for path in found if not _is_of_model(path)):
        raise ValueError(f"{shipped}: holds {named(others)}, which would be deleted; name another folder with --to")


def _is_of_model(path: Path) -> bool:
    """Whether publishing writes such a file; its path is relative to the folder of the model."""
    if len(path.parts) == 1:
        return path.name in _WRITTEN | _IN_FOLDERS.keys()
    return len(path.parts) == 2 and _IN_FOLDERS.get(path.parts[0]) == path.suffix


def _fill(
    staging: Path,
    run: Path,
    files: dict[str, Path],
    known: dict[str, Any],
    evaluation: dict[str, Any],
    data_set: data.DataSet,
) -> None:
    for kind, file in files.items():
        shutil.copyfile(file, staging / SHIPPED[kind])
    for name in known["models"].keys() - {_network(known)}:
        shutil.copyfile(run / known["models"][name]["file"], staging / known["models"][name]["file"])
    (staging / "history").mkdir()
    for name in known["models"]:
        shutil.copyfile(run / "history" / f"{name}.json", staging / "history" / f"{name}.json")
    (staging / check.FILE).write_text(json.dumps(evaluation) + "\n")
    metadata.write(staging, known)
    report.draw(known, evaluation, staging, data_set)
    (staging / "README.md").write_text(card.card(known, evaluation), encoding="utf-8")


def _swap(staging: Path, shipped: Path) -> None:
    """Put the new folder in the place of the old one; if that fails, the old one stays. Ctrl-C comes too late."""
    staging.chmod(0o755)
    if not shipped.exists():
        staging.rename(shipped)
        return
    old = staging.with_name(f"{staging.name}.old")
    with contextlib.suppress(KeyboardInterrupt), interrupts.deferred():
        shipped.rename(old)
        try:
            staging.rename(shipped)
        except OSError:
            old.rename(shipped)
            raise
        shutil.rmtree(old)
