"""Writes docs/settings.md from `serve.settings`: python -m local.settings_page."""

from pathlib import Path
from typing import Final

from serve.settings import as_text, described

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"

_HEAD: Final = """# Settings

Environment variables, read once at the start. A value that cannot work stops the start with a message that names the
variable. `template.yaml` passes all of them to its functions, some from a parameter of the stack; change the
others there.

`make docs` writes this page from [`serve/settings.py`](../serve/settings.py).

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(
        f"| `{name.upper()}` | {_code(as_text(default))} | {about.meaning} |\n" for name, default, about in described()
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
