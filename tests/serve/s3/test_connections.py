import select
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError, SSLError

from serve.s3.connections import Connections
from tests.serve.servers import Answer, Server, head, photo, resets, sends, serving, silent

HEADERS = {"host": "ignored.example"}


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections(timeouts_s=(1, 1), most=2, is_secure=False)
    yield made
    made.close()


def asked(connections: Connections, server: Server) -> bytes:
    answer = connections.request("GET", f"127.0.0.1:{server.port}", "/a", HEADERS, b"")
    return answer.read()


def open_connections(connections: Connections) -> int:
    return sum(len(idle) for idle in connections._idle.values())


def wait_until_closed(connections: Connections) -> None:
    """Until the server has closed the only idle connection."""
    ((connection,),) = connections._idle.values()
    assert select.select([connection.sock], [], [], 10)[0]


def stays_open(times: int) -> Answer:
    """Answers so many requests over one connection, then closes it."""

    def answer(server: Server, sock: Any) -> None:
        for _ in range(times):
            sock.sendall(head(Content_Length=5) + b"photo")
            if not sock.recv(65_536):
                return

    return answer


def test_a_connection_serves_the_next_request_too(connections: Connections) -> None:
    with serving(stays_open(3)) as server:
        assert [asked(connections, server) for _ in range(3)] == [b"photo"] * 3
        assert server.accepted == 1
        assert open_connections(connections) == 1


def test_a_connection_that_the_server_has_closed_is_replaced(connections: Connections) -> None:
    with serving(sends(head(Content_Length=5), b"photo")) as server:  # closes after its answer
        for _ in range(3):
            assert asked(connections, server) == b"photo"
            wait_until_closed(connections)
        assert server.accepted == 3


def test_a_body_that_is_not_read_costs_its_connection(connections: Connections) -> None:
    with serving(stays_open(2)) as server:
        connections.request("GET", f"127.0.0.1:{server.port}", "/a", HEADERS, b"").close()
        assert open_connections(connections) == 0
        assert asked(connections, server) == b"photo"


def test_no_more_stay_open_than_allowed(connections: Connections) -> None:
    with serving(stays_open(1)) as server:
        at_once = [connections.request("GET", f"127.0.0.1:{server.port}", "/a", HEADERS, b"") for _ in range(3)]
        assert [answer.read() for answer in at_once] == [b"photo"] * 3
        assert open_connections(connections) == 2


@pytest.mark.parametrize(
    "answer", [silent, resets(b""), sends(b"garbage\r\n\r\n"), sends(head(Content_Length=9), b"photo")]
)
def test_a_broken_answer_is_botocores_error(connections: Connections, answer: Answer) -> None:
    with serving(answer) as server, pytest.raises(HTTPClientError):
        asked(connections, server)
    assert open_connections(connections) == 0


def test_a_body_that_ends_early_is_noticed_piece_by_piece(connections: Connections) -> None:
    with serving(sends(head(Content_Length=9), b"photo")) as server:
        answer = connections.request("GET", f"127.0.0.1:{server.port}", "/a", HEADERS, b"")
        assert answer.read(100) == b"photo"
        with pytest.raises(HTTPClientError, match="IncompleteRead"):
            answer.read(100)
        answer.close()


def test_no_server_is_botocores_error(connections: Connections) -> None:
    with pytest.raises(EndpointConnectionError):
        connections.request("GET", "127.0.0.1:1", "/a", HEADERS, b"")


def test_tls_trusts_the_bundle_that_aws_ca_bundle_names(authority: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    with serving(photo(b"photo"), authority.server("localhost")) as server:
        secure = Connections(timeouts_s=(1, 1), most=2, is_secure=True)
        assert secure.request("GET", f"localhost:{server.port}", "/a", HEADERS, b"").read() == b"photo"
        secure.close()


@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("example.org", True)])
def test_tls_refuses_another_authority_and_another_host(
    authority: Any, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    with serving(photo(b"photo"), authority.server(host)) as server:
        secure = Connections(timeouts_s=(1, 1), most=2, is_secure=True)
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            secure.request("GET", f"localhost:{server.port}", "/a", HEADERS, b"")
