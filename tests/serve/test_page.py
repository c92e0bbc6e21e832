"""The headers of a page: what a browser may run, and whom it may talk to."""

import base64
import hashlib

from serve.page import headers
from serve.page import html as page_html


def directives(html: str) -> dict[str, list[str]]:
    entries = (entry.split() for entry in headers(html)["content-security-policy"].split(";"))
    return {name: sources for name, *sources in entries}


def source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_each_inline_element_is_allowed_by_its_own_hash() -> None:
    html = "<style>b { color: red }</style><script>\nrun('é');\n</script><p>text</p><script>again()</script>"
    policy = directives(html)
    assert policy["style-src"] == [source("b { color: red }")]
    assert policy["script-src"] == [source("\nrun('é');\n"), source("again()")]


def test_a_page_without_scripts_may_run_none() -> None:
    policy = directives("<p>text</p>")
    assert policy["script-src"] == policy["style-src"] == ["'none'"]


def test_all_else_is_refused_or_of_the_pages_own_host() -> None:
    html = page_html()
    policy = directives(html)
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    allowed = {value for values in policy.values() for value in values if not value.startswith("'sha256-")}
    assert allowed == {"'none'", "'self'", "'script'", "blob:", "data:"}


def test_a_changed_script_has_another_hash() -> None:
    html = page_html()
    changed = html.replace("</script>", " </script>", 1)
    assert directives(changed)["script-src"] != directives(html)["script-src"]
    assert directives(changed)["style-src"] == directives(html)["style-src"]


def test_the_page_names_no_tag_that_the_hashes_would_miss() -> None:
    html = page_html()
    for tag in ("script", "style"):
        assert html.count(f"<{tag}") == html.count(f"<{tag}>") == html.count(f"</{tag}>") > 0


def test_everything_is_put_in() -> None:
    html = page_html()
    assert "{{" not in html
    assert html.count('class="example"') == html.count("data:image/jpeg;base64,") == 4
    assert len(html) < 120_000
