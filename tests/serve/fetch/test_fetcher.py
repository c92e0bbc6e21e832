"""Fetching from URLs, as if every sender were hostile. No name is looked up and nothing leaves the machine.

The table runs the real policy over a made-up Internet (`servers.Internet`), which records every connection. The rest
talks to real servers on loopback that misbehave.
"""
# ruff: noqa: RUF001  (the digits that look like others are the point)

import gzip
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.errors import (
    FetchFailedError,
    FetchTimeoutError,
    ImageTooLargeError,
    MalformedRequestError,
    ProblemError,
    UrlRefusedError,
)
from serve.fetch import addresses
from serve.fetch.fetcher import USER_AGENT, Fetcher, FetchPolicy
from tests.serve.servers import (
    PHOTO,
    PUBLIC,
    PUBLIC_V6,
    Answer,
    Internet,
    Server,
    by_path,
    chunked,
    drips,
    floods,
    gzip_bomb,
    head,
    photo,
    redirect,
    resets,
    sends,
    serving,
    silent,
)

NAMES: dict[str, Sequence[str]] = {
    "example.org": [PUBLIC],
    "www.example.org": [PUBLIC],
    "badexample.org": [PUBLIC],
    "xn--ktzchen-5wa.example": [PUBLIC],
    "under_score.example": [PUBLIC],
    "dual.example": [PUBLIC_V6, PUBLIC],
    "nat64.example": ["64:ff9b::" + PUBLIC],
    "second-is-private.example": [PUBLIC, "10.0.0.1"],
    "first-is-private.example": ["10.0.0.1", PUBLIC],
    "v6-is-private.example": [PUBLIC, "fd00::1"],
    "private.example": ["10.1.2.3"],
    "localhost": ["::1", "127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "zone.example": ["fe80::1%2"],
    "empty.example": [],
    "garbage.example": ["not an address"],
}

# Forbidden in whatever spelling: as a whole host, or as what a name resolves to.
FORBIDDEN_V4 = (
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
    "127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
    "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255",
    "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
    "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255",
)  # fmt: skip
FORBIDDEN_V6 = (
    "::", "::1", "100::", "100::1", "100:0:0:1::1", "2001::1", "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1",
    "3ffe::1", "3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1", "fe80::1",
    "febf:ffff::1", "fec0::1", "feff:ffff::1", "ff00::1", "ff02::1", "ffff:ffff::1", "4000::1", "::1:0:0:1",
    "1000::1",
)  # fmt: skip
EMBEDDED_FORBIDDEN = (
    "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe",
    "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f:0:1::", "64:ff9b:1:0:7f:0:100:0", "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1::", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1",
    "fe80::5efe:93.184.215.14", "64:ff9b:1:a08:8:800::", "64:ff9b:1:a:8:808::", "64:ff9b:1:0:a:808:800:0",
)  # fmt: skip
PUBLIC_ADDRESSES = (
    PUBLIC, "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
    "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", PUBLIC_V6, "2000::1",
    "2001:200::1", "2001:db7::1", "2001:db9::1", "3fff:1000::1", "3ffd::1", "::ffff:93.184.215.14",
    "::ffff:0:93.184.215.14", "64:ff9b::93.184.215.14", "64:ff9b:1::93.184.215.14", "64:ff9b:1:5db8:d7:e00::",
    "2002:5db8:d70e::1", "2606:4700::5efe:93.184.215.14",
)  # fmt: skip

REFUSED_SPELLINGS = (
    "2130706433", "0x7f000001", "0x7F.1", "017700000001", "0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.1", "127.0.1", "0",
    "0x0", "00000177.0.0.01", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "127.0.0.1.",
    "127。0。0。1", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "１６９．２５４．１６９．２５４", "0x7f｡1", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0000::0001]", "localhost", "LOCALHOST",
    "localhost.", "Ⓛocalhost", "localtest.example", "metadata.google.internal", "private.example", "zone.example",
)  # fmt: skip

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
    "http://exam ple.org/", "http://example.org/ a", "http://example.org/a b.jpg", " http://example.org/",
    "http://example.org/\n", "http://exa\tmple.org/", "ht\ntp://example.org/", "http://example.org/\r\nHost: evil",
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
BRACKETED = tuple(f"[{address}]" for address in FORBIDDEN_V6 + EMBEDDED_FORBIDDEN)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Has the photo under every path."""
    with serving(photo()) as running:
        yield running


@pytest.fixture
def internet(server: Server) -> Internet:
    return Internet(server.port, dict(NAMES))


def fetcher(internet: Internet, ca_file: Path | None = None, **policy: Any) -> Fetcher:
    return Fetcher(FetchPolicy(**policy), internet.resolve, internet.dial, str(ca_file) if ca_file else None)


def fetch_from(answer: Answer, url: str = "http://example.org/cat.jpg", **policy: Any) -> bytes:
    with serving(answer) as running:
        return fetcher(Internet(running.port, dict(NAMES)), **policy).fetch(url)


# The table


@pytest.mark.parametrize("spelling", REFUSED_SPELLINGS + FORBIDDEN_V4 + BRACKETED)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_socket_to_a_forbidden_address(internet: Internet, scheme: str, spelling: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch(f"{scheme}://{spelling}/latest/meta-data/")
    assert internet.dialled == []


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


@pytest.mark.parametrize("name", ["second-is-private.example", "first-is-private.example", "v6-is-private.example"])
def test_one_private_address_refuses_them_all(internet: Internet, name: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch(f"http://{name}/")
    assert internet.dialled == []


@pytest.mark.parametrize(("url", "host"), PASSING)
def test_urls_that_pass(server: Server, internet: Internet, url: str, host: str) -> None:
    assert fetcher(internet).fetch(url) == PHOTO
    assert f"\r\nHost: {host}\r\n" in server.requests[-1]
    assert len(internet.dialled) == 1


def test_the_table_is_long_enough() -> None:
    rows = (REFUSED_SPELLINGS, FORBIDDEN_V4, FORBIDDEN_V6, EMBEDDED_FORBIDDEN, CONFUSING_URLS, REFUSED_SCHEMES, PASSING)
    assert sum(map(len, rows)) > 200
    assert all(len(set(row)) == len(row) for row in rows)


# Addresses


@pytest.mark.parametrize("address", FORBIDDEN_V4 + FORBIDDEN_V6 + EMBEDDED_FORBIDDEN)
def test_not_public(address: str) -> None:
    assert not addresses.is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public(address: str) -> None:
    assert addresses.is_public(ip_address(address))


@pytest.mark.parametrize("listed", [str(network) for network in addresses.NOT_PUBLIC_V6])
def test_each_listed_range_is_refused_from_end_to_end(listed: str) -> None:
    network = ip_network(listed)
    assert not addresses.is_public(network[0])
    assert not addresses.is_public(network[-1])


@pytest.mark.parametrize(
    "required",
    ["::1/128", "::/128", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
     "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
     "fec0::/10", "ff00::/8"],
)  # fmt: skip
def test_ranges_are_named_even_where_another_rule_covers_them(required: str) -> None:
    assert ip_network(required) in addresses.NOT_PUBLIC_V6


def test_teredo_hides_a_server_and_a_client() -> None:
    inner = addresses._tunneled(IPv6Address("2001:0:4136:e378:8000:63bf:3fff:fdd2"))
    assert list(map(str, inner)) == ["65.54.227.120", "192.0.2.45"]


@given(st.ip_addresses(v=4), st.sampled_from(["::", "::ffff:", "::ffff:0:", "64:ff9b::", "2606:4700::5efe:"]))
def test_an_ipv4_address_is_as_public_inside_an_ipv6_address(address: Any, prefix: str) -> None:
    assert addresses.is_public(IPv6Address(prefix + str(address))) == addresses.is_public(address)


# Policy


def test_connects_to_the_address_that_was_checked_though_dns_changes_its_mind(internet: Internet) -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]

    def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    assert Fetcher(FetchPolicy(), rebinding, internet.dial).fetch("http://rebind.example/") == PHOTO
    assert internet.dialled == [(PUBLIC, 80)]
    assert answers == [["127.0.0.1"]]


def test_every_hop_is_resolved_and_checked_anew(internet: Internet) -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]
    with serving(redirect("/again")) as running:
        internet.port = running.port
        with pytest.raises(UrlRefusedError):
            Fetcher(FetchPolicy(), lambda _host, _port: answers.pop(0), internet.dial).fetch("http://rebind.example/")
    assert internet.dialled == [(PUBLIC, 80)]


def test_the_next_address_is_tried_when_one_is_dead(internet: Internet) -> None:
    internet.dead = frozenset({PUBLIC_V6})
    assert fetcher(internet).fetch("http://dual.example/") == PHOTO
    assert internet.dialled == [(PUBLIC_V6, 80), (PUBLIC, 80)]


def test_fetching_can_be_turned_off(internet: Internet) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet, enabled=False).fetch("http://example.org/")
    assert internet.asked == []


@pytest.mark.parametrize("allowed", ["example.org", ".org", ".xn--ktzchen-5wa.example"])
@pytest.mark.parametrize(
    "host", ["example.org", "www.example.org", "badexample.org", "EXAMPLE.org.", "xn--ktzchen-5wa.example"]
)
def test_allowed_hosts(internet: Internet, allowed: str, host: str) -> None:
    canonical = host.lower().rstrip(".")
    within = canonical.endswith(allowed) if allowed.startswith(".") else canonical == allowed
    one = fetcher(internet, allowed_hosts=frozenset({allowed}))
    if within:
        assert one.fetch(f"http://{host}/") == PHOTO
    else:
        with pytest.raises(UrlRefusedError):
            one.fetch(f"http://{host}/")
        assert internet.asked == []


def test_an_allowed_host_must_be_public_too(internet: Internet) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet, allowed_hosts=frozenset({"private.example"})).fetch("http://private.example/")
    assert internet.dialled == []


def test_allowed_ports(internet: Internet) -> None:
    assert fetcher(internet, allowed_ports=frozenset({8080})).fetch("http://example.org:8080/") == PHOTO
    with pytest.raises(UrlRefusedError):
        fetcher(internet, allowed_ports=frozenset({8080})).fetch("http://example.org/")


def test_allowed_networks_open_these_networks_and_no_others(internet: Internet) -> None:
    opened = fetcher(internet, allowed_networks=frozenset({ip_network("10.1.0.0/16"), ip_network("fd00::/8")}))
    assert opened.fetch("http://private.example/") == PHOTO
    assert opened.fetch("http://[fd00::1]/") == PHOTO
    for host in ("10.2.0.0", "127.0.0.1", "[::ffff:127.0.0.1]", "first-is-private.example"):
        with pytest.raises(UrlRefusedError):
            opened.fetch(f"http://{host}/")
    assert internet.dialled == [("10.1.2.3", 80), ("fd00::1", 80)]


def test_the_real_resolver_and_dialler_leave_loopback_alone_unless_allowed() -> None:
    with serving(photo()) as running:
        ports = frozenset({running.port})
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(UrlRefusedError):
                Fetcher(FetchPolicy(allowed_ports=ports)).fetch(f"http://{host}:{running.port}/cat.jpg")
        assert running.accepted == 0
        loopback = frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")})
        policy = FetchPolicy(allowed_ports=ports, allowed_networks=loopback)
        assert Fetcher(policy).fetch(f"http://127.0.0.1:{running.port}/cat.jpg") == PHOTO


# The request


def test_the_request_says_who_asks_and_nothing_else(
    server: Server, internet: Internet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert fetcher(internet).fetch("http://example.org/k%C3%A4tz chen.jpg".replace(" ", "%20") + "?a=b|ü#f") == PHOTO
    lines = server.requests[-1].split("\r\n")
    assert lines[0] == "GET /k%C3%A4tz%20chen.jpg?a=b%7C%C3%BC HTTP/1.1"
    assert {line.partition(":")[0] for line in lines[1:-2]} == {
        "Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"
    }  # fmt: skip
    assert f"User-Agent: {USER_AGENT}" in lines
    assert "Accept-Encoding: identity" in lines


# Redirects


def test_redirects_are_followed_relative_and_absolute(internet: Internet) -> None:
    answers = {
        "/a": redirect("b?x=1", "301 Moved"),
        "/b?x=1": redirect("http://www.example.org/k\u00e4tz chen", "303 See Other"),
        "/k%C3%A4tz%20chen": redirect("//example.org/d", "307 Temporary"),
        "/d": redirect("http://example.org:443/e", "308 Permanent"),
        "/e": redirect("/f#fragment", "302 Found"),
        "/f": photo(),
    }
    with serving(by_path(answers)) as running:
        internet.port = running.port
        assert fetcher(internet).fetch("http://example.org/a") == PHOTO
    assert internet.asked == [
        "example.org",
        "example.org",
        "www.example.org",
        "example.org",
        "example.org",
        "example.org",
    ]


def test_the_sixth_redirect_is_one_too_many(internet: Internet) -> None:
    with serving(redirect("/again")) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError):
            fetcher(internet).fetch("http://example.org/")
        assert running.accepted == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://2130706433/", "//127.0.0.1/",
        "//[::1]/",
        "http://localhost/", "http://private.example/", "http://[64:ff9b::7f00:1]/", "http://user:pw@example.org/",
        "http://example.org:22/", "ftp://example.org/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
        "javascript:1",
        "http://[::1", "http://exa mple.org/", "http://example.org\\@127.0.0.1/",
        "/" + "a" * 3000, "http://%31%32%37.0.0.1/", "http://\u00e9.org/",
    ],
)  # fmt: skip
def test_redirects_go_through_the_same_checks(internet: Internet, location: str) -> None:
    with serving(redirect(location)) as running:
        internet.port = running.port
        with pytest.raises(UrlRefusedError):
            fetcher(internet).fetch("http://example.org/")
    assert internet.dialled == [(PUBLIC, 80)]


def test_redirects_stay_within_the_allowed_hosts(internet: Internet) -> None:
    with serving(redirect("http://www.example.org/")) as running:
        internet.port = running.port
        with pytest.raises(UrlRefusedError):
            fetcher(internet, allowed_hosts=frozenset({"example.org"})).fetch("http://example.org/")
    assert internet.asked == ["example.org"]


def test_cookies_and_referrers_do_not_travel(internet: Internet) -> None:
    answers = {"/": sends(head("302 Found", Location="/b", Set_Cookie="a=b", Content_Length=0)), "/b": photo()}
    with serving(by_path(answers)) as running:
        internet.port = running.port
        fetcher(internet).fetch("http://example.org/")
        assert "cookie" not in running.requests[1].lower()
        assert "referer" not in running.requests[1].lower()


def test_a_redirect_to_nowhere_fails() -> None:
    with pytest.raises(FetchFailedError):
        fetch_from(sends(head("302 Found", Content_Length=0)))


# The answer

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body)[2:-4],  # raw, as some servers understand the word
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("framing", [photo, chunked])
def test_a_compressed_answer_is_decompressed(encoding: str, framing: Callable[..., Answer]) -> None:
    assert fetch_from(framing(COMPRESS[encoding](PHOTO), Content_Encoding=encoding)) == PHOTO


@pytest.mark.parametrize(
    "answer",
    [
        photo(), chunked(PHOTO[:7], PHOTO[7:]), chunked(*(bytes([byte]) for byte in PHOTO)),
        sends(head(), PHOTO), sends(b"HTTP/1.0 200\r\n\r\n", PHOTO), photo(Content_Type="text/html"),
        sends(head(Content_Length=len(PHOTO)), PHOTO, b"what follows is not the photo's"),
        sends(b"HTTP/1.1 100 Continue\r\n\r\n", head(Content_Length=len(PHOTO)), PHOTO),
    ],
)  # fmt: skip
def test_answers_that_pass(answer: Answer) -> None:
    assert fetch_from(answer) == PHOTO


FAILING_ANSWERS: dict[str, Answer] = {
    "nothing": sends(),
    "not HTTP": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "HTTP/0.9": sends(PHOTO),
    "a status that is no number": sends(b"HTTP/1.1 OK 200\r\n\r\n", PHOTO),
    "a status in other digits": sends("HTTP/1.1 \u00b2\u00b9\u00b3 OK\r\n\r\n".encode("latin-1"), PHOTO),
    "an endless status line": sends(b"HTTP/1.1 200 " + b"x" * 100_000),
    "an endless header line": sends(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000),
    "too many headers": sends(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n"),
    "headers cut short": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
    "206": sends(head("206 Partial Content", Content_Length=len(PHOTO), Content_Range="bytes 0-1/2"), PHOTO),
    "204": sends(head("204 No Content")),
    "304": sends(head("304 Not Modified")),
    "404": sends(head("404 Not Found", Content_Length=len(PHOTO)), PHOTO),
    "500": sends(head("500 Oops", Content_Length=len(PHOTO)), PHOTO),
    "999": sends(head("999 Hm", Content_Length=len(PHOTO)), PHOTO),
    "a body shorter than Content-Length": sends(head(Content_Length=len(PHOTO) + 1), PHOTO),
    "an enormous Content-Length": sends(head(Content_Length=10**30), PHOTO),
    "two Content-Lengths": sends(head(Content_Length="5, 6"), PHOTO),
    "chunks without an end": chunked(PHOTO, end=b""),
    "a chunk cut short": sends(head(Transfer_Encoding="chunked"), b"ffff\r\nabc"),
    "a chunk size that is no number": sends(head(Transfer_Encoding="chunked"), b"cat\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk size": sends(head(Transfer_Encoding="chunked"), b"-5\r\nabcdefgh\r\n0\r\n\r\n"),
    "an endless chunk size": sends(head(Transfer_Encoding="chunked"), b"1;" + b"x" * 100_000 + b"\r\na\r\n0\r\n\r\n"),
    "no gzip": photo(Content_Encoding="gzip"),
    "broken gzip": photo(gzip.compress(PHOTO)[:50] + b"\x00" * 500, Content_Encoding="gzip"),
    "a compression not asked for": photo(Content_Encoding="br"),
    "compressed twice": photo(gzip.compress(gzip.compress(PHOTO)), Content_Encoding="gzip, gzip"),
    "a reset before the headers": resets(b""),
    "a reset within the headers": resets(b"HTTP/1.1 200 OK\r\n"),
    "a reset within the body": resets(head(Content_Length=len(PHOTO)) + PHOTO[:100]),
}


@pytest.mark.parametrize("name", FAILING_ANSWERS)
def test_answers_that_fail(name: str) -> None:
    with pytest.raises(FetchFailedError) as failed:
        fetch_from(FAILING_ANSWERS[name])
    assert PUBLIC not in failed.value.detail


def test_no_answer_at_all(internet: Internet) -> None:
    internet.dead = frozenset({PUBLIC})
    with pytest.raises(FetchFailedError):
        fetcher(internet).fetch("http://example.org/")


# The cap


@pytest.mark.parametrize("framing", [photo, chunked, lambda body: sends(head(), body)])
def test_the_cap_is_exact(framing: Callable[[bytes], Answer]) -> None:
    assert fetch_from(framing(PHOTO), max_bytes=len(PHOTO)) == PHOTO
    with pytest.raises(ImageTooLargeError):
        fetch_from(framing(PHOTO), max_bytes=len(PHOTO) - 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_by_what_it_grows_to_and_never_grows(encoding: str) -> None:
    bomb = gzip_bomb(100) if encoding == "gzip" else zlib.compress(bytes(100_000_000))
    fetch_from(photo())  # what a first fetch keeps is not counted
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLargeError):
            fetch_from(photo(bomb, Content_Encoding=encoding), max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


FLOODS = {
    "a body without an end": (head(), b"x" * 65_536),
    "a length that lies": (head(Content_Length=10**12), b"x" * 65_536),
    "chunks without an end": (head(Transfer_Encoding="chunked"), b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "a chunk of size -1": (head(Transfer_Encoding="chunked") + b"-1\r\n", b"x" * 65_536),
    "trailers without an end": (head(Transfer_Encoding="chunked") + b"0\r\n", b"A: b\r\n" * 1000),
    "gzip that holds nothing": (head(Content_Encoding="gzip"), gzip.compress(b"") * 1000),
    "promises without an end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped_by_its_bytes(name: str) -> None:
    fetch_from(photo())
    tracemalloc.start()
    try:
        with pytest.raises((ImageTooLargeError, FetchFailedError)):
            fetch_from(floods(*FLOODS[name]), max_bytes=1_000_000, timeout_s=20)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


# The deadline

DRIPS = {
    "silence": silent,
    "headers without an end": drips(b"HTTP/1.1 200 OK\r\n", b"A"),
    "a slow body": drips(head(Content_Length=100_000), b"x"),
    "a slow body without length": drips(head(), b"x"),
    "slow chunks": drips(head(Transfer_Encoding="chunked"), b"1\r\nx\r\n"),
    "slow gzip": drips(head(Content_Encoding="gzip") + gzip.compress(b"x")[:10], b"\x00\x00\x00\xff\xff"),
    "slow promises": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "slow redirects": lambda server, sock: (server.stopping.wait(0.12), redirect("/again")(server, sock))[1],
}


@pytest.mark.parametrize("name", DRIPS)
def test_slow_answers_run_into_the_deadline(name: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch_from(DRIPS[name], timeout_s=0.4)
    assert time.monotonic() - started < 3


def test_silence_ends_before_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch_from(silent, timeout_s=30, read_timeout_s=0.1)
    assert time.monotonic() - started < 10


def test_the_caller_can_only_shorten_the_deadline(internet: Internet) -> None:
    waits: list[float] = []

    def dial(_address: str, _port: int, timeout_s: float) -> socket.socket:
        waits.append(timeout_s)
        raise ConnectionRefusedError

    one = Fetcher(FetchPolicy(timeout_s=1.0, connect_timeout_s=100), internet.resolve, dial)
    for given_s in (0.5, 50.0, None):
        with pytest.raises(FetchFailedError):
            one.fetch("http://example.org/", given_s)
    assert waits[0] <= 0.5 < waits[1] <= 1.0
    assert 0.5 < waits[2] <= 1.0


def test_each_address_has_its_own_connect_limit(internet: Internet) -> None:
    waits: list[float] = []

    def dial(_address: str, _port: int, timeout_s: float) -> socket.socket:
        waits.append(timeout_s)
        raise TimeoutError

    with pytest.raises(FetchTimeoutError):
        Fetcher(FetchPolicy(connect_timeout_s=0.7), internet.resolve, dial).fetch("http://dual.example/")
    assert waits == [0.7, 0.7]


@pytest.mark.parametrize("left_s", [0.0, -1.0])
def test_no_time_left(internet: Internet, left_s: float) -> None:
    with pytest.raises(FetchTimeoutError):
        fetcher(internet).fetch("http://example.org/", left_s)
    assert internet.dialled == []


def test_a_late_answer_from_dns_is_too_late_and_leads_nowhere(internet: Internet) -> None:
    release, asked = threading.Event(), threading.Event()

    def late(_host: str, _port: int) -> list[str]:
        asked.set()
        release.wait(20)
        return [PUBLIC]

    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        Fetcher(FetchPolicy(timeout_s=0.2), late, internet.dial).fetch("http://example.org/")
    assert time.monotonic() - started < 3
    assert asked.is_set()
    release.set()
    for thread in threading.enumerate():
        if thread.name == "resolve":
            thread.join(10)
    assert internet.dialled == []


def test_a_tls_handshake_counts_too(internet: Internet) -> None:
    internet_of_silence = socket.create_server(("127.0.0.1", 0))
    with internet_of_silence:
        internet.port = internet_of_silence.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(FetchTimeoutError):
            fetcher(internet, timeout_s=0.3).fetch("https://example.org/")
        assert time.monotonic() - started < 3


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("cryptography")
    from tests.serve.certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


def test_https_asks_for_the_host_by_name_at_the_checked_address(internet: Internet, authority: Any) -> None:
    with serving(photo(), authority.server("example.org")) as running:
        internet.port = running.port
        assert fetcher(internet, authority.ca_file).fetch("https://EXAMPLE.org./cat.jpg") == PHOTO
        assert running.sni == ["example.org"]
        assert "\r\nHost: example.org\r\n" in running.requests[0]
    assert internet.dialled == [(PUBLIC, 443)]


def test_https_with_the_certificate_of_another_host_fails(internet: Internet, authority: Any) -> None:
    with serving(photo(), authority.server("www.example.org")) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError):
            fetcher(internet, authority.ca_file).fetch("https://example.org/")
        assert running.requests == []


def test_https_with_an_unknown_authority_fails(internet: Internet, authority: Any) -> None:
    with serving(photo(), authority.server("example.org")) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError):
            fetcher(internet).fetch("https://example.org/")
        assert running.requests == []


def test_https_without_tls_fails(server: Server, internet: Internet) -> None:
    with pytest.raises(FetchFailedError):
        fetcher(internet).fetch("https://example.org/")


def test_http_to_https_is_followed_and_https_to_http_is_not(server: Server, internet: Internet, authority: Any) -> None:
    answers = {"/up": photo(), "/down": redirect("http://example.org/")}
    with (
        serving(by_path(answers), authority.server("example.org")) as secure,
        serving(redirect("https://example.org/up")) as plain,
    ):
        ports = {80: plain.port, 443: secure.port}

        def dial(_address: str, port: int, timeout_s: float) -> socket.socket:
            return socket.create_connection(("127.0.0.1", ports[port]), timeout_s)

        one = Fetcher(FetchPolicy(), internet.resolve, dial, str(authority.ca_file))
        assert one.fetch("http://example.org/") == PHOTO
        with pytest.raises(UrlRefusedError):
            one.fetch("https://example.org/down")
        assert plain.accepted == 1


def test_a_tls_connection_that_is_cut_is_not_the_end_of_the_body(internet: Internet, authority: Any) -> None:
    def cut(_server: Server, sock: socket.socket) -> None:
        sock.sendall(head() + PHOTO[:1000])  # and no close_notify

    with serving(sends(head(), PHOTO), authority.server("example.org")) as running:
        internet.port = running.port
        assert fetcher(internet, authority.ca_file).fetch("https://example.org/") == PHOTO
        running.answer = cut
        with pytest.raises(FetchFailedError):
            fetcher(internet, authority.ca_file).fetch("https://example.org/")


def test_a_drip_over_tls_runs_into_the_deadline(internet: Internet, authority: Any) -> None:
    with serving(drips(head(Content_Length=100_000), b"x"), authority.server("example.org")) as running:
        internet.port = running.port
        with pytest.raises(FetchTimeoutError):
            fetcher(internet, authority.ca_file, timeout_s=0.5).fetch("https://example.org/")


def test_the_default_trust_verifies() -> None:
    context = Fetcher(FetchPolicy())._tls
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


# What is told, and to whom


def test_the_client_does_not_hear_what_was_found_and_the_log_does(
    internet: Internet, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UrlRefusedError) as private:
        fetcher(internet).fetch("http://private.example/?token=secret")
    with pytest.raises(UrlRefusedError) as metadata:
        fetcher(internet).fetch("http://metadata.google.internal/")
    assert private.value.detail == metadata.value.detail
    assert "10.1.2.3" in caplog.text
    assert "secret" not in caplog.text


def test_a_status_is_told_unless_private_networks_are_allowed(
    internet: Internet, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(sends(head("418 Teapot-reason", Content_Length=9), b"body-text")) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError, match="418"):
            fetcher(internet).fetch("http://example.org/")
        with pytest.raises(FetchFailedError) as hidden:
            fetcher(internet, allowed_networks=frozenset({ip_network("10.0.0.0/8")})).fetch("http://example.org/")
    assert "418" not in hidden.value.detail
    assert "418" in caplog.text
    assert "body-text" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a?token=secret", "http://user:secret@example.org/", "http://us?er:secret@example.org/",
        "http://example.org:secret@/", "http://user:secret@[::1/", "http://private.example/#secret", "secret@x",
        "http://user:secret@example.org℀/", "https://example.org/a?next=b@c&token=secret",
    ],
)  # fmt: skip
def test_secrets_in_a_url_are_not_logged(internet: Internet, caplog: pytest.LogCaptureFixture, url: str) -> None:
    with serving(sends(head("404 Not Found"))) as running:
        internet.port = running.port
        with pytest.raises(ProblemError):
            fetcher(internet).fetch(url)
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_secrets_in_a_redirect_are_not_logged(internet: Internet, caplog: pytest.LogCaptureFixture) -> None:
    answers = {"/": redirect("/b?token=secret"), "/b?token=secret": sends(b"HTTP/1.1 404 No\r\nbroken header\r\n\r\n")}
    caplog.set_level(logging.INFO)
    with serving(by_path(answers)) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError):
            fetcher(internet).fetch("http://example.org/")
    assert "http://example.org/b: status 404" in caplog.text
    assert "secret" not in caplog.text


def test_nobody_writes_lines_of_their_own_into_the_log(internet: Internet, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UrlRefusedError):
        fetcher(internet).fetch("http://example.org/\r\nERROR forged\x1b[2J\u2028\u202e")
    with pytest.raises(FetchFailedError):
        fetch_from(photo(Content_Encoding="x\x1b[2J\u0085"))
    assert len(caplog.records) == 2
    assert all(record.getMessage().isascii() and record.getMessage().isprintable() for record in caplog.records)


# For good measure


@settings(max_examples=400, deadline=None)
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
        Fetcher(FetchPolicy(), resolve, dial).fetch(url)
    assert problem.value.status in (400, 422)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", head(Transfer_Encoding="chunked")]))
def test_any_answer_is_a_body_or_a_problem(server: Server, answer: bytes, start: bytes) -> None:
    def dial(_address: str, _port: int, _timeout_s: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(start + answer)
        return ours

    try:
        body = Fetcher(FetchPolicy(), lambda _host, _port: [PUBLIC], dial).fetch("http://example.org/")
    except ProblemError as problem:
        assert problem.status in (413, 422, 502)  # noqa: PT017
    else:
        assert body in start + answer


def test_nothing_is_left_open(server: Server, internet: Internet) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    one = fetcher(internet)
    one.fetch("http://example.org/")
    before = descriptors()
    for url in (
        "http://example.org/",
        "https://example.org/",
        "http://private.example/",
        "http://nowhere.example/",
    ) * 3:
        try:
            one.fetch(url)
        except ProblemError:
            continue
    patience = time.monotonic() + 5  # for the server to close its ends, in this same process
    while descriptors() > before and time.monotonic() < patience:
        time.sleep(0.01)
    assert descriptors() <= before


def test_urllib3_and_tls_are_not_loaded_before_they_are_needed() -> None:
    script = (
        "import sys, serve.fetch.fetcher; "
        "print([m for m in ('urllib3', 'ssl', 'http.client', 'email') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
