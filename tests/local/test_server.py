"""The service as a process, spoken to over HTTP; and its events beside those that API Gateway sends."""

import base64
import gzip
import http.client
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from tests.local_service import LocalService, local_service, may_fetch_from
from tests.serve.servers import Answer, Server, head, serving

pytest.importorskip("starlette", reason="needs the local service's packages (requirements/local.txt)")
pytest.importorskip("uvicorn", reason="needs the local service's packages (requirements/local.txt)")

from starlette.requests import Request

import lambda_function
from local import server
from local.event import event_of
from local.uploads import MAX_BYTES_IN_FLIGHT
from serve.app import App
from serve.errors import ProblemError
from serve.invocation import from_context
from serve.model.classifier import Classifier
from serve.settings import Settings

Ask = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture(scope="module")
def service(photo_server: str) -> Iterator[LocalService]:
    with local_service(**may_fetch_from(photo_server)) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def function(cats_and_dogs: None) -> Iterator[None]:
    """The function has the service's model: it was imported before the setting named it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lambda_function, "app", App(Settings.from_env()))
        yield


@pytest.fixture(scope="module")
def ask(service: LocalService) -> Iterator[Ask]:
    with urllib3.PoolManager(retries=False, timeout=30) as pool:

        def send(method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
            return pool.request(method, service.url + path, **options)

        yield send


def request_of(method: str, path: str, query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "headers": raw, "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip
    return Request(scope)


def event_for(method: str, path: str, body: bytes = b"", query: str = "", **headers: str) -> dict[str, Any]:
    """The event that the service makes of a request."""
    return event_of(request_of(method, path, query, **headers), body, from_context(None))


def test_every_form_gives_the_same_cat(ask: Ask, photo_server: str, cat_jpeg: bytes) -> None:
    url = f"{photo_server}/cat.jpg"
    answers = [
        ask("POST", f"/predict?url={url}"),
        ask("POST", "/predict", json={"url": url}),
        ask("POST", "/predict", json={"image": base64.b64encode(cat_jpeg).decode()}),
        ask("POST", "/predict", fields={"file": ("cat.jpg", cat_jpeg)}),
        ask("POST", "/predict", body=cat_jpeg, headers={"content-type": "image/jpeg"}),
        ask("POST", "/predict", body=cat_jpeg, headers={"content-type": "application/x-www-form-urlencoded"}),
    ]
    assert [answer.status for answer in answers] == [200] * 6
    assert answers[0].json()["label"] == "cat"
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert answers[0].headers["server-timing"].startswith("fetch;dur=")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/", 200),
        ("GET", "/openapi.json", 200),
        ("OPTIONS", "/predict", 204),
        ("GET", "/predict", 405),
        ("DELETE", "/health", 405),
        ("GET", "/nothing", 404),
        ("POST", "/docs", 405),
        ("GET", "/docs", 200),
        ("GET", "/%0A", 404),
        ("GET", "/he%61lth", 200),
        ("POST", "/predict", 400),
    ],
)
def test_it_answers_what_the_function_answers(ask: Ask, method: str, path: str, status: int) -> None:
    answer = ask(method, path)
    function = lambda_function.handler(event_for(method, path), None)
    assert answer.status == function["statusCode"] == status
    assert answer.data.decode() == function["body"]
    own = {"date", "server", "content-length", "transfer-encoding"}
    assert {name: value for name, value in answer.headers.items() if name.lower() not in own} == function["headers"]


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/json"])
def test_a_photo_gets_what_the_function_answers(ask: Ask, cat_jpeg: bytes, content_type: str) -> None:
    encoded = json.dumps({"image": base64.b64encode(cat_jpeg).decode()}).encode()
    body = encoded if content_type.endswith("json") else cat_jpeg
    event = event_for("POST", "/predict", body, content_type=content_type)
    assert event["isBase64Encoded"] is (content_type == "image/jpeg")
    answer = ask("POST", "/predict", body=body, headers={"content-type": content_type})
    assert answer.json() == json.loads(lambda_function.handler(event, None)["body"])


def test_the_event_is_that_of_an_http_api(root: Path) -> None:
    sample = json.loads((root / "events" / "http_api_upload.json").read_text())
    event = event_for(
        "POST", "/predict", base64.b64decode(sample["body"]), content_type="image/jpeg", host="localhost:8000"
    )
    assert set(event) == set(sample)
    assert set(event["requestContext"]) == set(sample["requestContext"]) - {"domainPrefix"}
    assert set(event["requestContext"]["http"]) == set(sample["requestContext"]["http"])
    assert event["requestContext"]["domainName"] == "localhost:8000"
    for name in ("version", "routeKey", "rawPath", "rawQueryString", "body", "isBase64Encoded"):
        assert event[name] == sample[name], name


def test_headers_are_joined_and_cookies_kept_apart() -> None:
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "client": None,
        "query_string": b"a=1&a=%20",
        "headers": [(b"accept", b"a/b"), (b"cookie", b"x=1; y=2"), (b"accept", b"c/d"), (b"x-latin", b"\xe9")],
    }  # fmt: skip
    event = event_of(Request(scope), b"", from_context(None))
    assert event["headers"] == {"accept": "a/b,c/d", "x-latin": "é"}
    assert event["cookies"] == ["x=1", "y=2"]
    assert event["rawQueryString"] == "a=1&a=%20"
    assert "body" not in event


def test_text_that_is_none_loses_no_byte() -> None:
    event = event_for("POST", "/predict", b"\xff\xd8\xff", content_type="text/plain")
    assert base64.b64decode(event["body"]) == b"\xff\xd8\xff"
    assert event["isBase64Encoded"] is True


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/json; charset=utf-8"])
def test_what_is_just_not_too_large_fits_into_a_call_of_lambda(content_type: str) -> None:
    most = server.max_body_bytes(content_type)
    event = event_for("POST", "/predict", b"a" * most, content_type=content_type, x_filler="a" * 10_240)
    assert len(json.dumps(event)) <= server.MAX_EVENT_BYTES < len(json.dumps(event)) + 80_000


def test_broken_photos_take_no_turn_away(cat_jpeg: bytes) -> None:
    settings = Settings.from_env()
    classifier = server.SideBySide(settings)
    broken, count = b"\xff\xd8\xff", 4 * server.DECODERS
    with ThreadPoolExecutor(count) as threads:
        failed = [threads.submit(classifier.classify, broken) for _ in range(count)]
        right = [threads.submit(classifier.classify, cat_jpeg) for _ in range(count)]
        assert all(isinstance(each.exception(timeout=30), ProblemError) for each in failed)
        found = {each.result(timeout=30).probability for each in right}
    assert found == {Classifier(settings.model_path).classify(cat_jpeg).probability}


def is_too_large(answer: urllib3.BaseHTTPResponse) -> bool:
    return answer.status == 413 and answer.json()["type"] == "urn:problem-type:image-too-large"


def test_a_body_beyond_the_limit_is_refused_with_a_length_and_without(ask: Ask) -> None:
    most = server.max_body_bytes("image/jpeg")
    photo = b"\xff\xd8\xff" + bytes(most - 3)
    headers = {"content-type": "image/jpeg"}
    assert ask("POST", "/predict", body=photo, headers=headers).status == 422
    assert is_too_large(ask("POST", "/predict", body=photo + b"\0", headers=headers))
    assert is_too_large(ask("POST", "/predict", body=iter([photo, b"\0"]), headers=headers, chunked=True))


def test_an_endless_body_is_not_kept(ask: Ask, service: LocalService) -> None:
    before = peak_kb(service)
    assert is_too_large(ask("POST", "/predict", body=(bytes(1_000_000) for _ in range(200)), chunked=True))
    assert peak_kb(service) - before < 50_000


def peak_kb(service: LocalService) -> int:
    """The most memory that the process has held."""
    status = Path(f"/proc/{service.running.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc, where Linux tells a process's memory")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_bodies_that_lack_one_byte_hold_little_memory(cat_jpeg: bytes) -> None:
    most = server.max_body_bytes("image/jpeg")
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {most}\r\n\r\n".encode()
    with local_service() as running, ExitStack() as clients:
        before = peak_kb(running)
        sockets = [unfinished(clients, running.port, head + bytes(most - 1)) for _ in range(40)]
        refused = [answer for answer in map(answered, sockets) if answer]
        assert len(refused) >= 40 - MAX_BYTES_IN_FLIGHT // (most - 1)
        assert all(answer.startswith(b"HTTP/1.1 503") and b"problem+json" in answer for answer in refused)
        assert peak_kb(running) - before < 250_000
        clients.close()
        answer = urllib3.request("POST", f"{running.url}/predict", body=cat_jpeg, timeout=10)
        assert answer.json()["label"] == "cat"


def unfinished(clients: ExitStack, port: int, data: bytes) -> socket.socket:
    """A connection over which a request was sent that is not complete."""
    client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
    with suppress(OSError):  # it may be refused halfway
        client.sendall(data)
    return client


def answered(client: socket.socket) -> bytes:
    """The beginning of what the server has answered so far."""
    client.settimeout(0.1)
    try:
        return client.recv(4096)
    except OSError:
        return b""


def test_the_smaller_of_the_limits_counts(cat_jpeg: bytes) -> None:
    with local_service(MAX_IMAGE_BYTES="1000") as small, urllib3.PoolManager() as pool:
        assert is_too_large(pool.request("POST", f"{small.url}/predict", body=cat_jpeg))


def test_docs_show_every_operation_and_the_whole_document(ask: Ask) -> None:
    docs, contract = ask("GET", "/docs"), ask("GET", "/openapi.json").json()
    html = docs.data.decode()
    operations = [(method.upper(), path) for path, methods in contract["paths"].items() for method in methods]
    assert all(f"<h2>{method} {path}</h2>" in html for method, path in operations)
    assert json.loads(unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL)[0])) == contract
    assert "script-src 'none'" in docs.headers["content-security-policy"]
    assert "src=" not in html
    assert ask("HEAD", "/docs").data == b""


def test_metrics_count_requests_and_predictions(cat_jpeg: bytes) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs the local service's packages")
    with local_service() as running, urllib3.PoolManager() as pool:
        for path, body in (("/predict", cat_jpeg), ("/predict/", cat_jpeg), ("/predict", b"no photo")):
            pool.request("POST", running.url + path, body=body)
        for path in ("/a", "/b", "/health"):
            pool.request("GET", running.url + path)
        scraped = pool.request("GET", f"{running.url}/metrics")
    assert scraped.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parser.text_string_to_metric_families(scraped.data.decode())
        for sample in family.samples
    }
    assert samples["http_requests_total", "/predict", "200", "POST"] == 2
    assert samples["http_requests_total", "/predict", "415", "POST"] == 1
    assert samples["http_requests_total", "404", "GET", "other"] == 2
    assert samples["predictions_total", "cat", "false"] == 2
    assert samples["http_request_duration_seconds_count", "/predict"] == 3
    assert samples["http_requests_in_progress",] == 1  # the scrape itself
    assert samples["process_resident_memory_bytes",] > 1e6


def test_a_client_that_leaves_halfway_disturbs_nobody(service: LocalService, ask: Ask) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    assert ask("GET", "/health").status == 200
    assert "Traceback" not in service.log()


def sent(url: str, method: str) -> int:
    """The status of an answer to a request whose method is sent as it is: clients write it in capitals."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", headers={"content-length": "0"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_health_and_uploads_are_answered_while_every_fetch_waits_for_a_slow_server(cat_jpeg: bytes) -> None:
    release, begun = threading.Event(), threading.Semaphore(0)
    with serving(slow_photo(cat_jpeg, begun, release)) as slow:
        url = f"http://127.0.0.1:{slow.port}/"
        with (
            local_service(**may_fetch_from(url)) as running,
            urllib3.PoolManager(maxsize=server.FETCHERS) as pool,
            ThreadPoolExecutor(server.FETCHERS) as threads,
        ):
            path = f"{running.url}/predict?%75rl={url}"
            # The app takes a method in any case.
            methods = itertools.islice(itertools.cycle(["POST", "post"]), server.FETCHERS)
            asked = [threads.submit(sent, path, method) for method in methods]
            assert all(begun.acquire(timeout=20) for _ in asked), running.log()
            assert pool.request("GET", f"{running.url}/health", timeout=3).status == 200
            for upload in (
                {"body": cat_jpeg},
                {"fields": {"file": ("cat.jpg", cat_jpeg)}},
                {"json": {"image": base64.b64encode(cat_jpeg).decode()}},
            ):
                answer = pool.request("POST", f"{running.url}/predict", timeout=10, **upload)
                assert answer.json()["label"] == "cat"
            assert not any(answer.done() for answer in asked)
            release.set()
            assert [answer.result() for answer in asked] == [200] * server.FETCHERS


WITH_URL = json.dumps({"url": "https://example.org/cat.jpg"}).encode()
WITH_PHOTO = json.dumps({"image": base64.b64encode(bytes(range(256)) * 99).decode(), "explain": True}).encode()


@pytest.mark.parametrize(
    ("query", "body", "headers", "expected"),
    [
        ("url=https://example.org/", b"", {}, True),
        ("explain=true&%75rl=x", b"", {}, True),
        ("", WITH_URL, {}, True),
        ("", WITH_URL, {"content_type": "multipart/mixed"}, True),
        ("", WITH_URL[:-1] + b" " * 10_000 + b"}", {"content_type": "application/json"}, True),
        ("", WITH_URL.replace(b"url", b"\\u0075rl"), {}, True),
        ("", b"\xef\xbb\xbf" + WITH_URL, {"content_type": "application/json"}, True),
        ("", WITH_URL.decode().encode("utf-16-le"), {"content_type": "application/json"}, True),
        ("", gzip.compress(WITH_URL), {"content_type": "application/json", "content_encoding": "gzip"}, False),
        ("", WITH_URL[:-1] + b" " * 100_000 + b"}", {"content_type": "application/json"}, False),
        ("", WITH_PHOTO, {"content_type": "application/json"}, False),
        ("", b"\xff\xd8\xff", {"content_type": "application/json"}, False),
        ("", b"--b", {"content_type": "Multipart/Form-Data; boundary=b"}, False),
    ],
)
def test_what_may_bring_a_url_is_told_from_uploads(
    query: str, body: bytes, headers: dict[str, str], expected: bool
) -> None:
    assert server._may_bring_url(request_of("POST", "/predict", query, **headers), bytearray(body)) == expected


def slow_photo(photo: bytes, begun: threading.Semaphore, release: threading.Event) -> Answer:
    """Says that it was asked, and answers once it may."""

    def answer(_server: Server, sock: socket.socket) -> None:
        begun.release()
        release.wait(20)
        sock.sendall(head("200 OK", Content_Length=len(photo)) + photo)

    return answer


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_what_is_under_way_is_answered_before_it_stops(cat_jpeg: bytes, workers: tuple[str, ...]) -> None:
    release, begun = threading.Event(), threading.Semaphore(0)
    with serving(slow_photo(cat_jpeg, begun, release)) as slow, ThreadPoolExecutor(1) as thread:
        url = f"http://127.0.0.1:{slow.port}/"
        with local_service(*workers, **may_fetch_from(url), FETCH_TIMEOUT_S="20") as running:
            asked = thread.submit(urllib3.request, "POST", f"{running.url}/predict?url={url}", timeout=30)
            assert begun.acquire(timeout=20)
            running.running.send_signal(signal.SIGTERM)
            release.set()
            answer = asked.result()
            assert (answer.status, answer.json()["label"]) == (200, "cat")
            assert running.running.wait(30) in (0, -signal.SIGTERM)


def test_several_workers_give_one_answer(cat_jpeg: bytes) -> None:
    with local_service("--workers", "2") as running:

        def answer(_: int) -> bytes:
            # A connection each: the kernel deals them out to the workers.
            return urllib3.request(
                "POST", f"{running.url}/predict", body=cat_jpeg, headers={"connection": "close"}, timeout=60
            ).data

        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(answer, range(40)))) == 1


def test_settings_that_cannot_be_used_stop_the_start_with_their_name() -> None:
    with pytest.raises(AssertionError, match="NUM_THREADS='many'"), local_service(NUM_THREADS="many"):
        pass


def test_the_function_knows_nothing_of_it(root: Path) -> None:
    code = "import sys, lambda_function; print([name for name in sys.modules if name in ('local.server', 'starlette')])"
    printed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_requests_are_not_logged() -> None:
    """Their URLs have those of photos, with signatures."""
    with local_service() as service:
        assert urllib3.request("POST", f"{service.url}/predict?url=http://127.0.0.1/a%3Fsig=secret").status == 422
        service.stop()
        printed = service.log()
    assert "Application startup complete" in printed
    assert "127.0.0.1/a" not in printed
    assert "secret" not in printed
