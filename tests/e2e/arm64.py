"""python -m tests.e2e.arm64: builds the image for arm64, on an emulated Graviton2.

Needs root, Podman, Debian or Ubuntu with debootstrap, Linux's binfmt_misc, and a network. QEMU runs each arm64 program
of a container. The base image stands in for AWS's: a Debian with Python 3.13, unpacked and not configured.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

IMAGE: Final = "localhost/cats-vs-dogs:arm64"
BASE: Final = "localhost/graviton-python:3.13"
_ROOT_FILES: Final = "localhost/graviton-root:3.13"
_FOLDER: Final = ROOT / ".cache" / "arm64"
_QEMU: Final = _FOLDER / "usr" / "bin" / "qemu-aarch64-static"
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_NAME: Final = "qemu-aarch64-of-tests"
# The header of an arm64 program (ELF, 64 bits, little-endian, executable or shared, machine 183) and what of it counts.
# F: opened now, so that containers need not have the emulator.
_FORMAT: Final = (
    rf":{_NAME}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    rf":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:{_QEMU}:F"
)

# With QEMU's own default processor, which has all extensions at once, LiteRT chooses kernels that QEMU runs wrongly.
# LiteRT looks into /proc/cpuinfo, too, which QEMU finds below this folder.
_DOCKERFILE: Final = f"""\
FROM {_ROOT_FILES}
ENV QEMU_CPU=neoverse-n1 QEMU_LD_PREFIX=/emulated LANG=C.UTF-8 \\
    PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
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


class NoEmulationError(Exception):
    """Programs of arm64 cannot run on this machine."""


@contextmanager
def emulation() -> Iterator[None]:
    """Let the kernel run programs of arm64 by QEMU, until the end of the block.

    Raises:
        NoEmulationError: not here.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("podman", "dpkg", "apt-get"))):
        raise NoEmulationError("it needs root, Debian and Podman")
    if not (_BINFMT / "register").exists():
        done = subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], capture_output=True, check=False)
        if done.returncode:
            raise NoEmulationError(f"it needs binfmt_misc: {done.stderr.decode()}")
    registered = _BINFMT / _NAME
    if not registered.exists():
        _get_qemu()
        (_BINFMT / "register").write_text(_FORMAT, encoding="ascii")
    try:
        yield
    finally:
        registered.write_text("-1", encoding="ascii")


def _get_qemu() -> None:
    if _QEMU.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        # apt's own user may not write into a folder of root's.
        Path(folder).chmod(0o777)
        subprocess.run(["apt-get", "--quiet", "download", "qemu-user-static"], cwd=folder, check=True)
        _FOLDER.mkdir(parents=True, exist_ok=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, _FOLDER], check=True)


def make_base() -> None:
    """Make the base image, once: a minute."""
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode == 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _make_tree(tree)
        archive = subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE)
        command = ["podman", "import", "--quiet", "--os", "linux", "--arch", "arm64", "-", _ROOT_FILES]
        subprocess.run(command, stdin=archive.stdout, check=True)
        archive.communicate()
    command = ["podman", "build", "--quiet", "--platform", "linux/arm64", "--tag", BASE, "-"]
    subprocess.run(command, input=_DOCKERFILE.encode(), check=True)


def _make_tree(tree: Path) -> None:
    # The second stage of debootstrap would configure the packages under emulation, for minutes; files are enough.
    packages = "--include=python3,python3-pip,ca-certificates"
    subprocess.run(
        ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", packages, "trixie", tree],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    archives = tree / "var" / "cache" / "apt" / "archives"
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, tree], check=True)
    shutil.rmtree(archives)
    shutil.rmtree(tree / "debootstrap")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", tree / "etc" / "ssl" / "certs")
    (tree / "usr" / "bin" / "python").symlink_to("python3")
    (tree / "emulated" / "proc").mkdir(parents=True)
    (tree / "emulated" / "proc" / "cpuinfo").write_text(_CPUINFO, encoding="ascii")


def build() -> None:
    """Build the image: pip, the compilation and the check of Dockerfile.lambda run under emulation, for minutes."""
    command = ["podman", "build", "--platform", "linux/arm64", "--file", "Dockerfile.lambda", "--tag", IMAGE]
    done = subprocess.run(
        [*command, "--build-arg", f"BASE_IMAGE={BASE}", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the image cannot be built for arm64: {done.stderr[-3000:]}")


if __name__ == "__main__":
    with emulation():
        make_base()
        build()
