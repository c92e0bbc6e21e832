"""What the README says is what the code does and what was measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import targets
from convert import __main__ as convert_cli
from evaluate import check
from train import __main__ as train_cli


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_is_short(readme: str) -> None:
    assert len(readme.split()) <= 900


@pytest.mark.parametrize("page", ["README.md", "docs/training.md", "docs/local.md"])
def test_every_flag_named_exists(root: Path, page: str) -> None:
    known = train_cli.parser().format_help() + convert_cli.parser().format_help() + check.parser().format_help()
    commands = " ".join(
        re.findall(r"python -m (?:train|convert|evaluate)[^`]*", (root / page).read_text(encoding="utf-8"))
    )
    assert [flag for flag in re.findall(r"--[a-z-]+", commands) if flag not in known] == []


def test_every_make_target_named_exists(readme: str, root: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    commands = "\n".join(re.findall(r"`[^`]+`|^\$ .*$", readme, re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)(?=[ `\n])", commands)) <= set(targets)


def test_the_four_figures_are_those_that_were_measured(readme: str, root: Path) -> None:
    evaluation = read_json(root / "models" / "evaluation.json")
    results = read_json(root / "benchmarks" / "results.json")
    cold, image = (
        one for one in targets.TARGETS if one.title in ("cold, image URL / tutorial", "image, without its base")
    )
    table = dict(re.findall(r"^\| ([a-z].+?) \| (.+?) \|$", readme, re.MULTILINE))
    assert list(table.values())[:4] == [
        f"{evaluation['test']['metrics']['accuracy']:.2%}",
        f"{evaluation['elsewhere']['metrics']['accuracy']:.2%}",
        f"{cold.found(results)['median']:.2f} x",
        f"{image.found(results)['median']:.0f} MB",
    ]


def test_the_sample_answer_is_the_shipped_models(readme: str, root: Path) -> None:
    version = read_json(root / "models" / "metadata.json")["conversions"]["int8"]["version"]
    assert set(re.findall(r'"model_version": "(\w+)"', readme)) == {version}
