"""`make help` lists what the Makefile has."""

import itertools
import os
import re
import subprocess
from collections.abc import Callable
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


@pytest.fixture
def runs(root: Path, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Runs make where each program only prints its arguments; returns those of each."""
    for environment, program in (("serve", "python"), ("dev", "python"), ("tflite-runtime-test", ""), ("sam", "sam")):
        folder = tmp_path / ".venv" / environment
        (folder / "bin").mkdir(parents=True)
        (folder / "installed").touch()
        if program:
            (folder / "bin" / program).write_text('#!/bin/sh\nprintf "%s\\n" "$@" ""\n')
            (folder / "bin" / program).chmod(0o755)
    lock = tmp_path / "requirements" / "tflite-runtime-test.txt"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (0, 0))

    def run(*arguments: str) -> list[list[str]]:
        printed = run_make(root, "--silent", f"--directory={tmp_path}", f"--file={root / 'Makefile'}", *arguments)
        return [program.split("\n") for program in printed.removesuffix("\n\n").split("\n\n")]

    return run


NAMES = ["my cat", "a  b", "a$b", "$(HOME)", 'a"b', "a'b`c", "a#b", "a%b", "a.b"]


@pytest.mark.parametrize("name", NAMES)
def test_files_may_have_any_name(runs: Callable[..., list[list[str]]], name: str) -> None:
    assert runs("predict", f"IMAGE={name}") == [["lambda_function.py", name]]
    assert runs("invoke", f"EVENT={name}") == [["local", "invoke", "ClassifyFunction", "-e", name]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", ["{}", "{}/", "../my {}/{}", "/x/{}/y/.."])
def test_a_folder_of_photos_names_its_run(runs: Callable[..., list[list[str]]], data: str, name: str) -> None:
    folder = data.format(name, name)
    for command in runs("train", "convert", "publish", f"DATA={folder}"):
        flags = dict(itertools.pairwise(command))
        assert flags["--data-dir"] == folder
        if "train" in command:
            assert flags["--output"] == f"runs/{name}"
        elif "publish" in command:
            assert flags["publish"] == f"runs/{name}"
        else:
            assert Path(flags["--model"]).parent == Path("runs", name)


def test_a_backbone_is_trained_beside_the_small_cnn(runs: Callable[..., list[list[str]]]) -> None:
    for given, expected in ([], "mobilenetv2"), (["BACKBONE=mobilenetv3-small"], "mobilenetv3-small"):
        networks = [dict(itertools.pairwise(command))["--model"] for command in runs("train", *given)]
        assert networks == ["baseline", expected]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_may_have_any_name(runs: Callable[..., list[list[str]]], name: str) -> None:
    assert [command[-1] for command in runs("publish", f"RUN={name}")] == [f"{name}/model.tflite", name]
    assert "runs/cats_vs_dogs" in runs("train")[0]
