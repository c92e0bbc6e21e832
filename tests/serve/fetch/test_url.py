"""Which URLs are understood. A doubtful one is refused before anything asks DNS."""
# ruff: noqa: RUF001  (the letters that look like others are the point)

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.errors import FetchFailedError, MalformedRequestError, ProblemError, UrlRefusedError
from serve.fetch.fetcher import Fetcher
from tests.serve.fetchers import fetcher, policy
from tests.serve.servers import PHOTO, PUBLIC, PUBLIC_V6, Internet, Server

CONFUSING_URLS = (
    "http://example.org@127.0.0.1/", "http://127.0.0.1@example.org/", "http://user:secret@example.org/",
    "http://@example.org/", "http://example.org:80@127.0.0.1/", "http://example.org:pass@[::1]/",
    "http://127.0.0.1\\@example.org/", "http://example.org\\@127.0.0.1/", "http:\\\\127.0.0.1/",
    "http://example.org#@127.0.0.1:99999/\\", "http://127.0.0.1:80\\.example.org/", "http://127.0.0.1:80:80/",
    "http://example.org:80:80/", "http://[::1]example.org/", "http://example.org[::1]/",
    "http://[::1]:80example.org/", "http://[::1", "http://::1]/", "http://[example.org]/", "http://[127.0.0.1]/",
    "http://[v1.example]/", "http://[::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[]/",
    "http://example.org%2f@127.0.0.1/", "http://127.0.0.1%2eexample.org/", "http://%31%32%37.0.0.1/",
    "http://example%00.org/", "http://example.org%00.evil/", "http://example.org%0d%0aHost:evil/",
    "http://exam ple.org/", "http:// example.org/", "http://example.org :80/",
    "http://exa\tmple.org/", "http://example.org/a\tb.jpg", "http://example.org/a\nb.jpg",
    "ht\ntp://example.org/", "http://example.org/\r\nHost: evil",
    "http://example.org/\x00", "http://example.org/\x7f", "http://example.org\x00.evil/", "http:///example.org/",
    "http:example.org", "http:/example.org", "http://", "http:///", "http://?x", "http://#x", "http://:80/",
    "http://.", "http://./", "http://../", "http://.example.org/", "http://example..org/", "http://example.org../",
    "http://" + "a" * 64 + ".org/", "http://" + "a." * 130 + "org/", "http://" + "ａ" * 254 + "/",
    "http://example.org℀.evil/", "http://example.org／evil/", "http://exa\u200bmple\u2028.org/", "http://\ud800.org/",
    "http://example.org/\ud800", "http://exa<mple.org/", "http://a,b/", "http://example.org:٨٠/",
    "http://example.org:８０/", "http://example.org:0x50/", "http://example.org:-80/", "http://example.org:+80/",
    "http://example.org:8 0/", "http://example.org:99999/", "http://example.org:" + "9" * 5000 + "/",
    "http://example.org/" + "a" * 2100,
)  # fmt: skip
REFUSED_SCHEMES = (
    "ftp://example.org/", "file:///etc/passwd", "file://localhost/etc/passwd", "gopher://example.org:80/_x",
    "data:image/png;base64,AA==", "javascript:alert(1)", "dict://example.org:80/", "ldap://example.org/",
    "s3://bucket/key", "ws://example.org/", "jar:http://example.org!/", "url:http://example.org/",
    "httpx://example.org/", "view-source:http://example.org/", "unix:///run/docker.sock", "localhost:80/",
    "https+unix://example.org/",
)  # fmt: skip
REFUSED_PORTS = tuple(f"http://example.org:{port}/" for port in (0, 1, 22, 25, 79, 81, 444, 6379, 8080, 9001, 65535))
NO_URLS = (
    "", "cat", "cat.jpg", "example.org/cat.jpg", "/etc/passwd", "//example.org/", "?", "#", "://example.org", "..",
    "http ://example.org/",
)  # fmt: skip
FAILING_HOSTS = (
    "http://nowhere.example/", "http://empty.example/", "http://garbage.example/", "http://256.256.256.256/",
)  # fmt: skip
PASSING = (
    ("http://example.org", "example.org"), ("http://example.org/", "example.org"),
    ("HTTP://EXAMPLE.ORG/", "example.org"), ("http://example.org:80/", "example.org"),
    ("http://example.org:443/", "example.org:443"), ("http://example.org:/", "example.org"),
    ("http://example.org.", "example.org"), ("http://ｅｘａｍｐｌｅ.org/", "example.org"),
    ("http://www.example.org/", "www.example.org"), ("http://kätzchen.example/", "xn--ktzchen-5wa.example"),
    ("http://KÄTZCHEN.example/", "xn--ktzchen-5wa.example"),
    ("http://xn--ktzchen-5wa.example/", "xn--ktzchen-5wa.example"),
    ("http://under_score.example/", "under_score.example"), ("http://dual.example/", "dual.example"),
    ("http://nat64.example/", "nat64.example"), (f"http://{PUBLIC}/", PUBLIC),
    (f"http://[{PUBLIC_V6}]/", f"[{PUBLIC_V6}]"), (f"http://[{PUBLIC_V6.upper()}]:443/", f"[{PUBLIC_V6}]:443"),
    ("http://[::ffff:93.184.215.14]/", f"[{ip_address('::ffff:93.184.215.14')}]"),
    ("http://example.org/?u=http://127.0.0.1/", "example.org"), ("http://example.org/@127.0.0.1", "example.org"),
    ("http://example.org/#@127.0.0.1", "example.org"), ("http://example.org?@127.0.0.1", "example.org"),
)  # fmt: skip


@pytest.mark.parametrize("url", [*CONFUSING_URLS, *REFUSED_SCHEMES, *REFUSED_PORTS])
def test_no_question_to_dns_for_a_doubtful_url(internet: Internet, url: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch(url)
    assert (internet.asked, internet.dialled) == ([], [])


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_a_malformed_request(internet: Internet, url: str) -> None:
    with pytest.raises(MalformedRequestError):
        fetcher(internet).fetch(url)
    assert internet.asked == []


@pytest.mark.parametrize("url", FAILING_HOSTS)
def test_hosts_without_an_address(internet: Internet, url: str) -> None:
    with pytest.raises(FetchFailedError):
        fetcher(internet).fetch(url)
    assert internet.dialled == []


@pytest.mark.parametrize(("url", "host"), PASSING)
def test_urls_that_pass(server: Server, internet: Internet, url: str, host: str) -> None:
    assert fetcher(internet).fetch(url) == PHOTO
    assert f"\r\nHost: {host}\r\n" in server.requests[-1]
    assert len(internet.dialled) == 1


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://example.org/my cat.jpg", "/my%20cat.jpg"),
        ("http://example.org/my%20cat.jpg", "/my%20cat.jpg"),
        ("http://example.org/my%2520cat.jpg", "/my%2520cat.jpg"),
        (" http://example.org/cat.jpg ", "/cat.jpg"),
        ("\r\n\thttp://example.org/cat.jpg\n", "/cat.jpg"),
        ("http://example.org/?q=my cat&x=a b", "/?q=my%20cat&x=a%20b"),
        ("http://example.org/ a", "/%20a"),
    ],
)
def test_blanks_are_encoded_within_and_dropped_around(server: Server, internet: Internet, url: str, path: str) -> None:
    assert fetcher(internet).fetch(url) == PHOTO
    assert server.requests[-1].startswith(f"GET {path} HTTP/1.1\r\n")


@settings(max_examples=4 * settings().max_examples, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(st.characters()).map("http://".__add__),
        st.from_regex(r"https?://([a-z0-9.@:\[\]%\\/?#\u00e4\u2460-\u2469\uff0e-\uff19]|xn--){0,30}", fullmatch=True),
    )
)
def test_any_text_is_fetched_or_a_problem(url: str) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    def dial(address: str, _port: int, _timeout_s: float) -> socket.socket:
        raise AssertionError(address)

    with pytest.raises(ProblemError) as problem:
        Fetcher(policy(), resolve, dial).fetch(url)
    assert problem.value.status in (400, 422)
