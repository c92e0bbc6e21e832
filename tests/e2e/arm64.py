"""python -m tests.e2e.arm64: an arm64 Debian with Python 3.13 and the packages of the image, to run under QEMU.

Needs root, Debian or Ubuntu with debootstrap, and a network; fills .cache/arm64 (0.8 GB) in a minute. Nothing is put on
the machine, and no kernel support is needed: QEMU runs one program, and finds what it opens below the tree.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

FOLDER: Final = ROOT / ".cache" / "arm64"
_QEMU: Final = FOLDER / "qemu" / "usr" / "bin" / "qemu-aarch64-static"
_TREE: Final = FOLDER / "tree"
_PACKAGES: Final = FOLDER / "packages"
_DONE: Final = FOLDER / "ready"

# Graviton2's processor. With QEMU's own default, which has all extensions at once, LiteRT chooses kernels that QEMU
# runs wrongly. LiteRT looks into /proc/cpuinfo, too.
_PROCESSOR: Final = "neoverse-n1"
_CPUINFO: Final = """\
processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""
# Newest first, as pip wants it: the base image, Amazon Linux 2023, has glibc 2.34.
_PLATFORMS: Final = [f"manylinux_2_{minor}_aarch64" for minor in (34, 31, 28, 27, 26, 17)] + ["manylinux2014_aarch64"]


def ready() -> bool:
    """Whether the tree is there."""
    return _DONE.exists()


def python(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program of Python 3.13 on an emulated Graviton2, with the image's packages and this project to import."""
    return subprocess.run(
        [_QEMU, "-L", _TREE, _TREE / "usr" / "bin" / "python3.13", "-c", program, *arguments],
        env={
            **environment,
            "QEMU_CPU": _PROCESSOR,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHOME": str(_TREE / "usr"),
            "PYTHONPATH": f"{_PACKAGES}:{ROOT}",
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def prepare() -> None:
    """Fill the folder, once."""
    if ready():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not shutil.which("debootstrap"):
        for command in ("update", "--yes --no-install-recommends install debootstrap"):
            subprocess.run(["apt-get", "--quiet", *command.split()], check=True)
    subprocess.run(["apt-get", "--quiet", "download", "qemu-user-static"], cwd=FOLDER, check=True)
    (package,) = FOLDER.glob("qemu-user-static_*.deb")
    _unpack(package, FOLDER / "qemu")
    subprocess.run(
        ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", "--include=python3", "trixie", _TREE],
        check=True,
    )
    # debootstrap's second stage would configure them under emulation, for minutes; files are enough.
    for package in (_TREE / "var" / "cache" / "apt" / "archives").glob("*.deb"):
        _unpack(package, _TREE)
    (_TREE / "proc").mkdir(exist_ok=True)
    (_TREE / "proc" / "cpuinfo").write_text(_CPUINFO)
    _install(FOLDER / "wheels")
    _DONE.touch()


def _unpack(package: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["dpkg", "-x", package, folder], check=True)


def _install(wheels: Path) -> None:
    """The locked packages of serving, for arm64."""
    platforms = [argument for each in _PLATFORMS for argument in ("--platform", each)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps"),
            *("--require-hashes", "--requirement", ROOT / "requirements" / "serve.txt", "--dest", wheels),
            *("--python-version", "3.13", "--implementation", "cp", *platforms),
        ],
        check=True,
    )
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(_PACKAGES)


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("needs root: debootstrap makes devices")
    prepare()
