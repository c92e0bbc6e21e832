"""What the pages for developers name is there."""

import re
from pathlib import Path

import pytest


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_file_and_folder_named_exists(page: str, root: Path) -> None:
    text = (root / page).read_text(encoding="utf-8")
    named = re.findall(r"`([\w./-]+/[\w.-]*|\w+\.(?:py|yaml|toml|md))`", text)
    made_up = re.compile(r"\.venv/|[A-Z]{4}(?!\w*\.md)|^application/")  # environments, NAME, a media type
    assert [name for name in named if not made_up.search(name) and not (root / name).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_link_into_the_project_leads_somewhere(page: str, root: Path) -> None:
    file = root / page
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_architecture_fits_a_sitting(root: Path) -> None:
    assert len((root / "docs" / "architecture.md").read_text(encoding="utf-8").split()) <= 900
