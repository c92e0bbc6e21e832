"""What the pages name is there, and each can be read in one sitting."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCS = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, "README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md", "models/README.md"]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_file_and_folder_named_exists(page: str, root: Path) -> None:
    text = (root / page).read_text(encoding="utf-8")
    named = re.findall(r"`([\w./-]+/[\w.-]*|\w+\.(?:py|yaml|toml|md))`", text)
    made_up = re.compile(r"\.venv/|[A-Z]{4}(?!\w*\.md)|^application/")  # environments, NAME, a media type
    assert [name for name in named if not made_up.search(name) and not (root / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_into_the_project_leads_somewhere(page: str, root: Path) -> None:
    file = root / page
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("page", DOCS)
def test_every_page_fits_a_sitting(page: str, root: Path) -> None:
    words = len((root / page).read_text(encoding="utf-8").split())
    assert words <= (900 if page.endswith("architecture.md") else 1500)


@pytest.mark.parametrize("page", DOCS)
def test_every_page_can_be_reached_from_the_readme(page: str, root: Path) -> None:
    assert f"]({page}" in (root / "README.md").read_text(encoding="utf-8")
