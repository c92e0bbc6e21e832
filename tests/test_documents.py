"""What the pages name is there, every link leads somewhere, and each page can be read in one sitting."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.links import fault, links

_LISTED = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.ipynb"]
PAGES = sorted(set(subprocess.run(_LISTED, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()))
DOCS = [page for page in PAGES if page.startswith("docs/")]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_file_and_folder_named_exists(page: str, root: Path) -> None:
    text = (root / page).read_text(encoding="utf-8")
    named = re.findall(r"`([\w./-]+/[\w.-]*|\w+\.(?:py|yaml|toml|md))`", text)
    made_up = re.compile(r"\.venv/|[A-Z]{4}(?!\w*\.md)|^application/")  # environments, NAME, a media type
    assert [name for name in named if not made_up.search(name) and not (root / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str, root: Path) -> None:
    found = {link: fault(root / page, link) for link in links(root / page)}
    assert {link: why for link, why in found.items() if why} == {}


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("other.md", ""),
        ("other.md#what-is-it-1", ""),
        ("#a-page-of-codes", ""),
        ("folder", ""),
        ("folder#inside", ""),
        ("https://example.org/a_(b)", ""),
        ("none.md", "no such file"),
        ("other.md#what-is-it-2", "no such heading"),
        ("other.md#in-code", "no such heading"),
        ("#nothing", "no such heading"),
        ("https:/example.org", "no web address"),
        ("htp://example.org", "no web address"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "README.md").write_text("# Inside\n")
    (tmp_path / "other.md").write_text("# What is it?\n## What is it?\n```\n# In code\n```\n")
    page = tmp_path / "page.md"
    page.write_text(f"# A page of `codes`\n`[no](link)` [text]({link} 'title')\n[text]({link})\n".replace("'", '"'))
    assert links(page) == [link, link]
    assert fault(page, link) == why


@pytest.mark.parametrize("page", DOCS)
def test_every_page_fits_a_sitting(page: str, root: Path) -> None:
    words = len((root / page).read_text(encoding="utf-8").split())
    assert words <= (900 if page.endswith("architecture.md") else 1500)


def test_the_index_has_a_line_for_every_page(root: Path) -> None:
    lines = re.findall(
        r"^- \[[^\]]+\]\((\w[\w-]*\.md)\): .+\.$", (root / "docs" / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(f"docs/{page}" for page in [*lines, "README.md"]) == DOCS


def test_the_readme_leads_to_the_index(root: Path) -> None:
    assert "docs/README.md" in links(root / "README.md")
