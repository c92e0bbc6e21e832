"""Fetching from URLs, as if every sender were hostile: policy, redirects, answers, TLS. Nothing leaves the machine."""

import gzip
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.errors import FetchFailedError, FetchTimeoutError, ProblemError, UrlRefusedError
from serve.fetch.fetcher import USER_AGENT, Fetcher
from tests.serve.fetchers import fetch_from, fetcher, policy
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
    head,
    photo,
    redirect,
    resets,
    sends,
    serving,
)

# Policy


def test_connects_to_the_address_that_was_checked_though_dns_changes_its_mind(internet: Internet) -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]

    def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    assert Fetcher(policy(), rebinding, internet.dial).fetch("http://rebind.example/") == PHOTO
    assert internet.dialled == [(PUBLIC, 80)]
    assert answers == [["127.0.0.1"]]


def test_every_hop_is_resolved_and_checked(internet: Internet) -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]
    with serving(redirect("/again")) as running:
        internet.port = running.port
        with pytest.raises(UrlRefusedError):
            Fetcher(policy(), lambda _host, _port: answers.pop(0), internet.dial).fetch("http://rebind.example/")
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
                Fetcher(policy(allowed_ports=ports)).fetch(f"http://{host}:{running.port}/cat.jpg")
        assert running.accepted == 0
        loopback = frozenset({ip_network("127.0.0.0/8"), ip_network("::1/128")})
        opened = Fetcher(policy(allowed_ports=ports, allowed_networks=loopback))
        assert opened.fetch(f"http://127.0.0.1:{running.port}/cat.jpg") == PHOTO


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
    assert f"User-Agent: {USER_AGENT} (image classifier)" in lines
    assert "Accept-Encoding: identity" in lines


@pytest.mark.parametrize("contact", ["cats@example.org", "https://example.org/contact"])
def test_the_request_names_a_contact(server: Server, internet: Internet, contact: str) -> None:
    fetcher(internet, contact=contact).fetch("http://example.org/")
    assert f"\r\nUser-Agent: {USER_AGENT} ({contact})\r\n" in server.requests[-1]


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
        "/" + "a" * 20_000, "http://%31%32%37.0.0.1/", "http://\u00e9.org/",
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


def test_a_redirect_may_be_longer_than_what_people_send(internet: Internet) -> None:
    long = "/" + "a" * 8000
    with serving(by_path({"/cat.jpg": redirect(long), long: photo()})) as running:
        internet.port = running.port
        assert fetcher(internet).fetch("http://example.org/cat.jpg") == PHOTO


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
    "base64": bytes,
    "utf-8": bytes,
    "none": bytes,
    "aws-chunked": bytes,
    "gzip,aws-chunked": gzip.compress,
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
        sends(head("203 Non-Authoritative Information", Content_Length=len(PHOTO)), PHOTO),
        photo(gzip.compress(PHOTO)[:-8], Content_Encoding="gzip"),
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
    "said to be compressed twice, and is once": photo(gzip.compress(PHOTO), Content_Encoding="gzip, gzip"),
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


# TLS


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

        one = Fetcher(policy(), internet.resolve, dial, str(authority.ca_file))
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
    context = Fetcher(policy())._tls
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


# For the client, and for the log


def test_the_client_does_not_learn_what_was_found_and_the_log_does(internet: Internet) -> None:
    with pytest.raises(UrlRefusedError) as private:
        fetcher(internet).fetch("http://private.example/?token=secret")
    with pytest.raises(UrlRefusedError) as metadata:
        fetcher(internet).fetch("http://metadata.google.internal/")
    assert private.value.detail == metadata.value.detail
    assert private.value.found == "http://private.example: resolves to 10.1.2.3"


def test_the_client_learns_the_status_unless_private_networks_are_allowed(internet: Internet) -> None:
    with serving(sends(head("418 Teapot-reason", Content_Length=9), b"body-text")) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError, match="418"):
            fetcher(internet).fetch("http://example.org/")
        with pytest.raises(FetchFailedError) as hidden:
            fetcher(internet, allowed_networks=frozenset({ip_network("10.0.0.0/8")})).fetch("http://example.org/")
    assert "418" not in hidden.value.detail
    assert hidden.value.found == "http://example.org: status 418"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/secret?token=secret", "http://user:secret@example.org/", "http://us?er:secret@example.org/",
        "http://example.org:secret@/", "http://user:secret@[::1/", "http://private.example/secret#secret", "secret@x",
        "http://user:secret@example.org℀/", "https://example.org/secret?next=b@c&token=secret", "data:,secret",
        "secret" * 1000, "http://nowhere.example/secret", "http://example.org:22/secret", "http://secret example.org/",
    ],
)  # fmt: skip
def test_of_a_url_the_log_gets_no_more_than_scheme_and_host(internet: Internet, url: str) -> None:
    with serving(sends(head("404 Not Found"))) as running:
        internet.port = running.port
        with pytest.raises(ProblemError) as problem:
            fetcher(internet).fetch(url)
    assert "secret" not in problem.value.detail + problem.value.found


def test_of_a_redirect_the_log_gets_no_more_than_scheme_and_host(internet: Internet) -> None:
    answers = {"/": redirect("/b?token=secret"), "/b?token=secret": sends(b"HTTP/1.1 404 No\r\nbroken header\r\n\r\n")}
    with serving(by_path(answers)) as running:
        internet.port = running.port
        with pytest.raises(FetchFailedError) as problem:
            fetcher(internet).fetch("http://example.org/")
    assert problem.value.found == "http://example.org: status 404"


# For good measure


@settings(max_examples=settings().max_examples * 3 // 5, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", head(Transfer_Encoding="chunked")]))
def test_any_answer_is_a_body_or_a_problem(server: Server, answer: bytes, start: bytes) -> None:
    def dial(_address: str, _port: int, _timeout_s: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(start + answer)
        return ours

    try:
        body = Fetcher(policy(), lambda _host, _port: [PUBLIC], dial).fetch("http://example.org/")
    except ProblemError as problem:
        assert problem.status in (413, 415, 422, 502)  # noqa: PT017
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
