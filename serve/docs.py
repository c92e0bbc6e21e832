"""The API description as a page to read: openapi.json, with no script and nothing from another host."""

import json
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; }
html { background: light-dark(#fff, #121517); color: light-dark(#1d2226, #ebe8e2); }
body { margin: 2rem auto; padding: 0 1rem; max-width: 52rem; font: 1rem/1.5 system-ui, sans-serif; }
a { color: light-dark(#0e6475, #6accdc); }
pre { overflow-x: auto; padding: 1rem; border: 1px solid; border-radius: .5rem; font-size: .85rem; }
"""


def html(openapi: str) -> str:
    """The page: a heading and a summary for each operation, then the whole document.

    Args:
        openapi: the OpenAPI document, JSON.
    """
    document = json.loads(openapi)
    title = escape(document["info"]["title"])
    operations = "".join(
        f"<h2>{method.upper()} {escape(path)}</h2><p>{_summary(operation)}</p>"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}: API</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title}: API</h1><p>{escape(document['info']['description'])}</p>"
        f'<p><a href="./">Try it</a> · <a href="openapi.json">OpenAPI 3.1</a></p>{operations}<h2>openapi.json</h2>'
        f'<pre tabindex="0" role="region" aria-label="openapi.json">{escape(json.dumps(document, indent=2))}</pre>'
        "</main></body></html>"
    )


def _summary(operation: dict[str, Any]) -> str:
    return escape(f"{operation['summary']}. {operation.get('description', '')}".strip())
