"""`make help` lists what the Makefile has."""

import os
import re
import subprocess
from pathlib import Path

import pytest


def run_make(root: Path, *arguments: str) -> str:
    """What make prints, as in a shell of its own: the tests themselves may run under make."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def makefile(root: Path) -> str:
    return (root / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def listed(root: Path) -> dict[str, str]:
    """Names of targets and variables -> their texts."""
    return dict(re.findall(r"^  ([A-Za-z_-]+) +(\S.*)$", run_make(root, "help"), re.MULTILINE))


def public_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))


def test_help_lists_every_target_and_every_variable(listed: dict[str, str], makefile: str) -> None:
    variables = set(re.findall(r"^([A-Z_]+) \?=", makefile, re.MULTILINE))
    assert {"help", "predict", "test", "check"} <= public_targets(makefile)
    assert set(listed) == public_targets(makefile) | variables


def test_the_texts_are_aligned(root: Path) -> None:
    entries = [line for line in run_make(root, "help").splitlines() if line.startswith("  ")]
    assert {len(line) - len(re.sub(r"^  \S+ +", "", line)) for line in entries} == {19}


def test_a_variable_is_listed_with_its_default(listed: dict[str, str]) -> None:
    assert listed["PORT"].endswith("(8000)")
    assert not listed["TRAIN_FLAGS"].endswith(")")


def test_make_alone_is_make_help(root: Path) -> None:
    assert run_make(root) == run_make(root, "help")


def test_no_file_stands_in_for_a_target(makefile: str) -> None:
    """A folder `benchmarks` would make `make benchmarks` do nothing."""
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].replace("\\\n", " ").split()) == public_targets(makefile)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md"])
def test_every_target_that_a_page_names_exists(page: str, root: Path, makefile: str) -> None:
    named = re.findall(r"`make ([a-z][a-z0-9-]*)", (root / page).read_text(encoding="utf-8"))
    assert set(named) <= public_targets(makefile)


@pytest.mark.parametrize("name", ["my cat.jpg", "a$b.jpg", "$(HOME).jpg", 'a"b.jpg', "a'b`c.jpg", "a#b.jpg"])
def test_predict_passes_on_any_name(root: Path, tmp_path: Path, name: str) -> None:
    python = tmp_path / ".venv" / "serve" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s" "$2"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "serve" / "installed").touch()
    run = run_make(root, "--directory", str(tmp_path), "--file", str(root / "Makefile"), "predict", f"IMAGE={name}")
    assert run == name
