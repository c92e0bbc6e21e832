"""openapi.json as a page to read, made here: no script, nothing from another host."""

import json
from functools import cache
from html import escape
from typing import Any

from serve import page
from serve.app import OPENAPI_FILE

_STYLE = """
:root { color-scheme: light dark; --bg: light-dark(#f7f6f3, #131618); --card: light-dark(#fff, #1c2023);
  --text: light-dark(#1d2226, #e9e7e2); --muted: light-dark(#565d64, #a7adb4); --line: light-dark(#dedbd4, #343a3f);
  --accent: light-dark(#0d5c6b, #66c7d8); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 52rem; background: var(--bg); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
section { margin: 1.5rem 0; padding: 1rem 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .9rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin: 0; font: 600 1.05rem/1.4 ui-monospace, monospace; }
h2 b { color: var(--accent); }
h3 { margin: 1.1rem 0 .3rem; font-size: .95rem; color: var(--muted); }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }
dt { font-family: ui-monospace, monospace; }
dd { margin: 0; }
summary { cursor: pointer; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; font-size: .85rem; }
"""


@cache
def html() -> str:
    """The page: each route with its forms and answers, then the schemas that they name."""
    document = json.loads(OPENAPI_FILE.read_text(encoding="utf-8"))
    info = document["info"]
    routes = "".join(
        _route(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(info["title"])}: the contract</title><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(info['title'])}: the contract</h1>"
        f"<p>{escape(info['description'])}</p>"
        '<p><a href="openapi.json">The same as OpenAPI 3.1</a> · <a href="./">Try it</a></p>'
        f"{routes}<h2>Schemas</h2>{schemas}</main></body></html>"
    )


def headers(document: str) -> dict[str, str]:
    """The headers of the page."""
    return {"x-content-type-options": "nosniff", **page.headers(document)}


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [
        (f"?{parameter['name']}=", escape(parameter["description"])) for parameter in operation.get("parameters", ())
    ]
    bodies = [
        (kind, _named(body["schema"])) for kind, body in operation.get("requestBody", {}).get("content", {}).items()
    ]
    answers = [
        (status, f"{escape(answer['description'])} {_contents(answer)}")
        for status, answer in operation["responses"].items()
    ]
    return (
        f"<section><h2><b>{method.upper()}</b> {escape(path)}</h2><p>{escape(operation['summary'])}. "
        f"{escape(operation.get('description', ''))}</p>"
        f"{_list('Takes', parameters + bodies)}{_list('Answers', answers)}</section>"
    )


def _list(title: str, entries: list[tuple[str, str]]) -> str:
    """A definition list; the definitions are HTML already."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{definition}</dd>" for name, definition in entries)
    return f"<h3>{title}</h3><dl>{rows}</dl>" if entries else ""


def _contents(answer: dict[str, Any]) -> str:
    return ", ".join(
        f"{escape(kind)}: {_named(content['schema'])}" for kind, content in answer.get("content", {}).items()
    )


def _named(schema: dict[str, Any]) -> str:
    """A link to the schema's own section, or what it says of itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    members = ", ".join(schema.get("properties", ()))
    return escape(f"{schema.get('type', 'anything')}{f' with {members}' if members else ''}")


def _schema(name: str, schema: dict[str, Any]) -> str:
    return (
        f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        f'<pre tabindex="0" role="region" aria-label="{escape(name)} as JSON Schema">'
        f"{escape(json.dumps(schema, indent=2))}</pre></section>"
    )
