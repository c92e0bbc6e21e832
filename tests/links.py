"""The links of a Markdown page or a notebook, and where they lead, without a network."""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
# Addresses may hold one pair of parentheses, as Wikimedia's do. A title may follow.
_INLINE = re.compile(r"\]\(\s*<?((?:[^\s()<>]|\([^\s()]*\))*)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_HTML = re.compile(r"<(?:a|img)[^>]* (?:href|src)=\"([^\"]+)\"")
_AUTOMATIC = re.compile(r"<(https?://[^>\s]+)>")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


@cache
def text(page: Path) -> str:
    """What a reader sees of a page, without its code blocks; of a notebook, its text cells."""
    content = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(content)["cells"]
        content = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return _FENCED.sub("", content)


def links(page: Path) -> list[str]:
    """All targets of links and pictures, in no particular order."""
    prose = _CODE.sub("code", text(page))
    return [link for pattern in (_INLINE, _REFERENCE, _HTML, _AUTOMATIC) for link in pattern.findall(prose)]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The fragments that lead to a heading or a named place of the page, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set(_ANCHOR.findall(text(page)))
    for heading in _HEADING.findall(text(page)):
        slug = _slug(heading)
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def _slug(heading: str) -> str:
    """Of a link its text counts. Lower case, blanks as hyphens, without punctuation."""
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


def fault(page: Path, link: str) -> str:
    """Why a link leads nowhere; empty if it does not. Of other sites, only the syntax is looked at."""
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return "" if "@" in parts.path else "no address"
    if parts.scheme or parts.netloc:
        return "" if parts.scheme in ("http", "https") and "." in (parts.hostname or "") else "no web address"
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.exists():
        return "no such file"
    if target.is_dir():
        target /= "README.md"
    if parts.fragment and (target.suffix not in (".md", ".ipynb") or parts.fragment not in anchors(target)):
        return "no such heading"
    return ""
