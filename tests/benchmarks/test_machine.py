from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.environments import BenchmarkError

INTEL = (
    "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu sse avx2 avx512f {}\n\nprocessor\t: 1\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp {} crc32\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (INTEL.format("avx512_vnni"), "AVX-512 VNNI"),
        (INTEL.format(""), "AVX2"),
        (ARM.format("asimd"), "ASIMD"),
        (ARM.format("asimd asimddp"), "ASIMD, dot product"),
        ("processor\t: 0\n", "no known vector instructions"),
    ],
)
def test_the_best_instruction_set_is_named(cpuinfo: str, expected: str) -> None:
    assert machine.instructions(cpuinfo) == expected


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(INTEL.format(""))
    found = machine.describe(tmp_path / "cpuinfo")
    assert machine.title(found | {"cores": 2}) == "2 cores of Intel(R) Xeon(R) Processor, AVX2"


def test_a_processor_without_a_name_is_its_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (tmp_path / "cpuinfo").write_text(ARM.format("asimd"))
    assert machine.describe(tmp_path / "cpuinfo")["processor"] == "aarch64"


def test_this_machine_is_described() -> None:
    assert machine.describe().keys() == {"cores", "processor", "instructions", "system"}


def test_a_busy_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 10_000, 100))
    monkeypatch.setattr(machine, "_busy_ticks", lambda: next(ticks))
    monkeypatch.setattr(machine, "_LOOK_S", 0.01)
    with pytest.raises(BenchmarkError, match=r"other programs use [\d.]+ cores: stop them, or .* --busy"):
        machine.wait_until_quiet(patience_s=0)


def test_a_machine_that_becomes_quiet_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([1.5, 0.3, 0.01])
    monkeypatch.setattr(machine, "busy_cores", lambda: next(found))
    assert machine.wait_until_quiet(patience_s=60) == 0.01
