"""What the README says is what the code does."""

import re
from pathlib import Path

import pytest

from convert import __main__ as convert_cli
from evaluate import check
from train import __main__ as train_cli


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def test_every_link_into_the_project_leads_somewhere(readme: str, root: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    assert links
    assert [link for link in links if not (root / link.partition("#")[0]).exists()] == []


def test_every_flag_named_exists(readme: str) -> None:
    known = train_cli.parser().format_help() + convert_cli.parser().format_help() + check.parser().format_help()
    commands = " ".join(re.findall(r"python -m (?:train|convert)[^`]*", readme))
    assert [flag for flag in re.findall(r"--[a-z-]+", commands) if flag not in known] == []


def test_every_make_target_named_exists(readme: str, root: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    commands = "\n".join(re.findall(r"`[^`]+`|^\$ .*$", readme, re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)(?=[ `\n])", commands)) <= set(targets)
