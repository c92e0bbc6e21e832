import re
import sys
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import BenchmarkError, Contender


def test_every_lock_has_hashes_and_names_no_host(root: Path) -> None:
    locks = sorted(environments.LOCKS_DIR.glob("*.txt"))
    assert [lock.stem for lock in locks] == sorted(source.stem for source in environments.LOCKS_DIR.glob("*.in"))
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9].*==.*$", text, re.MULTILINE | re.IGNORECASE)
        assert pinned
        assert all(line.endswith("\\") for line in pinned), "a pin without a hash"
        assert "://" not in text


def test_make_lock_compiles_every_lock(root: Path) -> None:
    command = next(line for line in (root / "Makefile").read_text().splitlines() if "for name in" in line)
    names = re.findall(r"for name in ([a-z ]+);", command)[0].split()
    assert sorted(names) == sorted(source.stem for source in environments.LOCKS_DIR.glob("*.in"))


def test_a_python_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "PYTHON", "python2.999")
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    with pytest.raises(BenchmarkError, match=r"python2\.999 is not on the PATH: install it"):
        environments.environment(tmp_path, "benchmark-none", [lock])


def test_an_environment_is_made_once_and_anew_when_its_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "PYTHON", sys.executable)
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    python = environments.environment(tmp_path, "empty", [lock])
    mark = python.with_name("mark")
    mark.touch()
    assert environments.environment(tmp_path, "empty", [lock]) == python
    assert mark.exists()
    lock.write_text("# changed\n")
    environments.environment(tmp_path, "empty", [lock])
    assert not mark.exists()


def test_a_lock_that_cannot_be_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "PYTHON", sys.executable)
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy==1.26.4\n")  # without a hash
    with pytest.raises(BenchmarkError, match=r"this failed: .*--require-hashes"):
        environments.environment(tmp_path, "broken", [lock])


def test_without_the_emulator_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"make \.venv/sam/installed"):
        environments.emulator(tmp_path)


def test_processes_get_nothing_of_ours_that_they_do_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    contender = Contender("a", "A", Path(sys.executable), Path(), {"MODEL_PATH": "model"})
    found = contender.environment({"MORE": "1"})
    assert found["MODEL_PATH"] == "model"
    assert found["MORE"] == "1"
    assert found.keys().isdisjoint({"PYTHONPATH", "LOG_LEVEL"})
