"""The size of each handler on disk, in megabytes and files by part; for our handler, also the image.

The lengths of the files count, byte-code included. pip and setuptools, which most virtual environments have,
do not count.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import figures, plots
from benchmarks.environments import OURS, ROOT, Contender, say

MB: Final = 10**6
REST: Final = "other packages"
MODEL: Final = "model"
CODE: Final = "code"

_PARTS: Final = {
    "NumPy": ("numpy",),
    "Pillow": ("pil", "pillow"),
    "runtime": ("ai_edge_litert", "tflite_runtime", "onnxruntime", "tensorflow", "tensorflow_cpu"),
    "boto3 and botocore": ("boto3", "botocore", "s3transfer", "jmespath"),
}
_PART_OF: Final = {name: part for part, names in _PARTS.items() for name in names}
_NOT_COUNTED: Final = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils")
PARTS: Final = (*_PARTS, REST, MODEL, CODE)

Files = dict[str, list[Path]]


def run(contenders: list[Contender]) -> dict[str, Any]:
    """Count every handler's files, and those of our handler that the image carries.

    Args:
        contenders: with their environments.

    Returns:
        By handler: its title, "installed" and, for ours, "image", each with megabytes and files by part.
    """
    results = {}
    for contender in contenders:
        say(f"size: {contender.name}")
        results[contender.name] = _of_contender(contender)
    return results


def _of_contender(contender: Contender) -> dict[str, Any]:
    own = {MODEL: [contender.model], CODE: list(code_files(contender.folder))}
    found = {"title": contender.title, "installed": counted(installed_files(contender.site_packages) | own)}
    if contender.folder == ROOT:
        with TemporaryDirectory() as folder:
            carried = image_files(
                contender.site_packages, ROOT / "Dockerfile.lambda", Path(folder), client_in_base=contender.name == OURS
            )
            found["image"] = counted(carried | own)
    return found


def part_of(entry: str) -> str:
    """The part to which an entry of site-packages belongs, for example numpy, numpy.libs or numpy-2.4.6.dist-info."""
    name = re.split(r"[.-]", entry, maxsplit=1)[0].lower()
    return _PART_OF.get(name, REST)


def installed_files(site_packages: Path) -> Files:
    """Every file of an environment, by part."""
    found: Files = {}
    for path in _files_below(site_packages):
        entry = path.relative_to(site_packages).parts[0]
        if re.split(r"[.-]", entry, maxsplit=1)[0] not in _NOT_COUNTED:
            found.setdefault(part_of(entry), []).append(path)
    return found


def image_files(site_packages: Path, dockerfile: Path, folder: Path, *, client_in_base: bool) -> Files:
    """The files of an environment that the Dockerfile leaves: its own commands run on a copy.

    Args:
        site_packages: of the environment.
        dockerfile: with these commands.
        folder: an empty one, for the copy.
        client_in_base: whether the base image brings AWS's runtime client, as the default one does.

    Raises:
        ValueError: the Dockerfile does not have these commands where they are looked for.
    """
    shutil.copytree(site_packages, folder, dirs_exist_ok=True, symlinks=True)
    command = _pruning(dockerfile.read_text(encoding="utf-8"))
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)
    if client_in_base:
        for name in _client_entries(site_packages):
            shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    return installed_files(folder)


def _pruning(dockerfile: str) -> str:
    """The command that removes what serving does not use: the first RUN in the folder of the packages."""
    found = re.search(r"^WORKDIR /build/packages\nRUN ((?:.*\\\n)*.*)$", dockerfile, re.MULTILINE)
    if found is None:
        raise ValueError("Dockerfile.lambda removes packages where benchmarks.size does not look: change it there")
    return found[1]


def _client_entries(site_packages: Path) -> set[str]:
    """The entries in site-packages of AWS's runtime client, and of the packages that only it requires."""
    names = ("awslambdaric", "simplejson", "snapshot-restore-py")
    return {
        file.parts[0]
        for distribution in distributions(path=[str(site_packages)])
        if distribution.metadata["Name"].lower().replace("_", "-") in names
        for file in distribution.files or ()
        if file.parts[0] not in ("..", "__pycache__")
    }


def code_files(folder: Path) -> Iterator[Path]:
    """The handler's code: for ours `lambda_function.py` and `serve`, for a baseline its folder."""
    if folder != ROOT:
        yield from _files_below(folder)
        return
    yield folder / "lambda_function.py"
    yield from _files_below(folder / "serve")


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def counted(files: Files) -> dict[str, Any]:
    """{"total_mb", "total_files", "parts": {part: {"mb", "files"}}}."""
    parts = {part: _count(files[part]) for part in PARTS if part in files}
    every = _count(path for paths in files.values() for path in paths)
    return {"total_mb": every["mb"], "total_files": every["files"], "parts": parts}


def _count(paths: Iterable[Path]) -> dict[str, Any]:
    sizes = [path.stat().st_size for path in paths]
    return {"mb": round(sum(sizes) / MB, 2), "files": len(sizes)}


def markdown(results: dict[str, Any]) -> str:
    """A table: a line for each handler and for what the image carries, a column for each part."""
    lines = ["| | MB | files | " + " | ".join(PARTS) + " |", "|---|" + "---:|" * (2 + len(PARTS))]
    for found in results.values():
        lines.append(_row(found["title"], found["installed"]))
        if "image" in found:
            lines.append(_row(f"- in the image: {found['title']}", found["image"]))
    note = "The image is what it adds to its base, which has AWS's runtime client."
    return "\n".join([*lines, "", note])


def _row(title: str, found: dict[str, Any]) -> str:
    parts = [f"{found['parts'][part]['mb']:,.1f}" if part in found["parts"] else "" for part in PARTS]
    return f"| {title} | {found['total_mb']:,.0f} | {found['total_files']:,} | " + " | ".join(parts) + " |"


def plot(results: dict[str, Any], path: Path) -> None:
    """The installed megabytes of every handler, and what the image carries of ours; a PNG."""
    columns = {
        title: {
            found["title"]: figures.summary([found[part]["total_mb"]]) for found in results.values() if part in found
        }
        for title, part in (("installed, MB", "installed"), ("in the image, MB", "image"))
    }
    plots.panels({title: column for title, column in columns.items() if column}, path)
