"""What the README says is what the code does and what was measured."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine, targets
from convert import __main__ as convert_cli
from evaluate import __main__ as evaluate_cli
from train import __main__ as train_cli


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_is_short(readme: str) -> None:
    assert len(readme.split()) <= 900


def flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """All flags of a command and its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from flags(command)


@pytest.mark.parametrize("page", ["README.md", "docs/training.md", "docs/local.md"])
def test_every_flag_named_exists(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    for module, cli in {"train": train_cli, "convert": convert_cli, "evaluate": evaluate_cli}.items():
        commands = " ".join(re.findall(rf"python -m {module}\b[^`\n]*", text))
        assert set(re.findall(r"--[a-z-]+", commands)) <= set(flags(cli.parser()))


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
        f"{evaluation['external']['metrics']['accuracy']:.2%}",
        f"{cold.found(results)['median']:.2f} x",
        f"{image.found(results)['median']:.0f} MB",
    ]


def test_the_figures_name_their_machine(readme: str, root: Path) -> None:
    about = read_json(root / "benchmarks" / "results.json")["about"]["machine"]
    assert f"with {machine.title(about).rpartition(', ')[2]} (" in readme


def test_the_sample_answer_is_the_shipped_models(readme: str, root: Path) -> None:
    version = read_json(root / "models" / "metadata.json")["conversions"]["int8"]["version"]
    assert set(re.findall(r'"model_version": "(\w+)"', readme)) == {version}
