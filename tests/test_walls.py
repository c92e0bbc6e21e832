"""Every module stands in a contract of import-linter, so that `make check` knows what may import it."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def linter() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def modules(room: str) -> set[str]:
    """The dotted names of a room's files; an `__init__.py` has its folder's, and counts if it has code."""
    files = (file for file in (ROOT / room).rglob("*.py") if file.name != "__init__.py" or has_code(file))
    found = (file.relative_to(ROOT).with_suffix("").parts for file in files)
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in found}


def has_code(file: Path) -> bool:
    """Whether there is more in it than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_text(encoding="utf-8")).body)


def named(linter: Any) -> set[str]:
    """What the contracts name as a layer or as a source."""
    names: set[str] = set()
    for contract in linter["contracts"]:
        for entry in (*contract.get("layers", ()), *contract.get("source_modules", ())):
            names |= {name.strip() for name in entry.replace(":", "|").split("|")}
    return names


def stands_in(module: str, names: set[str]) -> bool:
    """Named itself, or in a named folder. A room's name stands for its walls to other rooms, not for what is in it."""
    parts = module.split(".")
    return any(".".join(parts[:length]) in names for length in {*range(2, len(parts) + 1), len(parts)})


def test_every_module_stands_in_a_contract(linter: Any) -> None:
    names = named(linter)
    found = {module for room in linter["root_packages"] for module in modules(room)}
    assert len(found) > 80
    assert {module for module in found if not stands_in(module, names)} == set()


def test_every_name_in_a_contract_is_a_module(linter: Any) -> None:
    found = {module for room in linter["root_packages"] for module in modules(room)}
    folders = {".".join(file.relative_to(ROOT).parts) for room in linter["root_packages"] for file in folders_of(room)}
    assert named(linter) <= found | folders


def folders_of(room: str) -> set[Path]:
    return {file.parent for file in (ROOT / room).rglob("*.py")}


def test_every_folder_with_code_is_a_room_or_has_a_reason(linter: Any) -> None:
    others = {"tests", "notebooks"}
    rooms = {file.relative_to(ROOT).parts[0] for file in ROOT.glob("*/*.py")}
    assert rooms - others == set(linter["root_packages"])


@pytest.mark.parametrize(
    ("module", "stands"),
    [("serve", True), ("serve.new", False), ("serve.adapters.new", True), ("train.new", False), ("new", False)],
)
def test_a_new_module_stands_in_none(linter: Any, module: str, stands: bool) -> None:
    assert stands_in(module, named(linter)) is stands
