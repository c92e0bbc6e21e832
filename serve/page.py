"""The page at `/`, and the headers that limit a browser to the page's own scripts and styles."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("browser")

_EXAMPLES: Final = {"cat": "a cat", "dog": "a dog", "both": "a cat and a dog", "owl": "an owl"}
_INSERTED: Final = re.compile(r"\{\{([a-z. ]+)\}\}")


def html() -> str:
    """The page, self-contained: page.html with its styles, scripts and example photos put in."""
    return _INSERTED.sub(lambda match: _content(match[1]), _read("page.html"))


def _content(names: str) -> str:
    return _examples() if names == "examples" else "".join(map(_read, names.split()))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _examples() -> str:
    """A button for each example photo, which travels as a data: URL."""
    photos = ((name, text, (FOLDER / "examples" / f"{name}.jpg").read_bytes()) for name, text in _EXAMPLES.items())
    return "".join(
        f'<button type="button" class="example" data-name="{name}.jpg">'
        f'<img src="data:image/jpeg;base64,{base64.b64encode(photo).decode()}" alt="Example: {text}"></button>'
        for name, text, photo in photos
    )


def headers(html: str) -> dict[str, str]:
    """The headers of a self-contained page: it runs its own scripts and styles, by hash, and connects to its own host.

    Source: Content Security Policy Level 3 (W3C), sections 6.1 to 6.4.
    """
    policy = (
        "default-src 'none'",
        f"script-src {_sources('script', html)}",
        f"style-src {_sources('style', html)}",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(policy),
        "cache-control": "public, max-age=300",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(self), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
    }


def _sources(tag: str, html: str) -> str:
    """The hashes of a tag's inline elements, as a policy lists them."""
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
