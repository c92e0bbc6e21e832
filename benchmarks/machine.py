"""The machine that a run is measured on, and whether it is quiet enough to measure."""

import os
import platform
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import BenchmarkError, say

# The kernel's names for what the runtimes' kernels are written for, the fastest first. An Arm processor lists its own.
_INSTRUCTIONS: Final = {
    "avx512_vnni": "AVX-512 VNNI",
    "avx2": "AVX2",
    "asimddp": "ASIMD, dot product",
    "asimd": "ASIMD",
}
VNNI: Final = _INSTRUCTIONS["avx512_vnni"]

QUIET_CORES: Final = 0.1
"""Other programs may use this much of one core while a run measures."""
_LOOK_S: Final = 2.0
_PATIENCE_S: Final = 60.0


def describe(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """The number of "cores", the "processor", its "instructions", and the operating "system"."""
    text = cpuinfo.read_text(encoding="utf-8")
    return {
        "cores": os.cpu_count(),
        # An Arm processor has no name there.
        "processor": _field(text, "model name") or platform.machine(),
        "instructions": instructions(text),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
    }


def instructions(cpuinfo: str) -> str:
    """The best instruction set for quantized networks that /proc/cpuinfo lists."""
    flags = (_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split()
    return next((title for flag, title in _INSTRUCTIONS.items() if flag in flags), "no known vector instructions")


def _field(cpuinfo: str, name: str) -> str:
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def title(found: dict[str, Any]) -> str:
    """The processor in words, as it stands beside tables and plots."""
    return f"{found['cores']} cores of {found['processor']}, {found['instructions']}"


def busy_cores(seconds: float = _LOOK_S) -> float:
    """How many cores were in use while this process slept; time that the hypervisor took away counts."""
    before = _busy_ticks()
    time.sleep(seconds)
    return (_busy_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def _busy_ticks() -> int:
    # proc(5): user nice system idle iowait irq softirq steal, in ticks
    ticks = [int(value) for value in Path("/proc/stat").read_text(encoding="ascii").split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4]


def wait_until_quiet(patience_s: float = _PATIENCE_S) -> float:
    """Wait for other programs to stop; returns how many cores they still use.

    Raises:
        BenchmarkError: they do not stop.
    """
    deadline = time.monotonic() + patience_s
    while (busy := busy_cores()) > QUIET_CORES:
        if time.monotonic() >= deadline:
            raise BenchmarkError(
                f"other programs use {busy:.2f} cores: stop them, or measure in spite of them with --busy"
            )
        say(f"waiting: other programs use {busy:.2f} cores")
    return busy
