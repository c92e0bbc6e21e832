"""Requests in, responses out: routes, forms, problems, and what the contract says of them."""

import base64
import hashlib
import itertools
import json
import re
import threading
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest

from serve import telemetry
from serve.app import App, fetch_policy
from serve.errors import FetchFailedError
from serve.http import Request, Response
from serve.invocation import Invocation, from_context
from serve.model import model_file
from serve.model.classifier import Prediction
from serve.settings import Settings
from tests.conftest import TINY
from tests.serve.servers import photo, serving


@pytest.fixture(scope="module")
def app(model_path: Path, photo_server: str) -> App:
    port = int(photo_server.rpartition(":")[2])
    loopback = frozenset({ip_network("127.0.0.0/8")})
    return App(Settings(model_path=model_path, url_allowed_networks=loopback, url_allowed_ports=frozenset({port})))


def ask(app: App, method: str, path: str, body: bytes = b"", **query: str) -> tuple[Response, Any]:
    response = app.respond(Request(method, path, query, {}, body), from_context(None))
    return response, json.loads(response.body) if response.body else None


def test_every_limit_on_fetching_is_a_setting() -> None:
    hosts, ports, networks = frozenset({"example.org"}), frozenset({8443}), frozenset({ip_network("10.0.0.0/8")})
    settings = Settings(
        fetch_enabled=False, url_allowed_hosts=hosts, url_allowed_ports=ports, url_allowed_networks=networks,
        max_image_bytes=7, fetch_timeout_s=1.5, fetch_contact="mailto:me@example.org",
    )  # fmt: skip
    changed, usual = fetch_policy(settings), fetch_policy(Settings())
    wanted = {
        "enabled": False, "allowed_hosts": hosts, "allowed_ports": ports, "allowed_networks": networks, "max_bytes": 7,
        "timeout_s": 1.5, "contact": "mailto:me@example.org",
    }  # fmt: skip
    assert {name: getattr(changed, name) for name in wanted} == wanted
    assert all(getattr(usual, name) != value for name, value in wanted.items())


def test_the_model_is_run_as_the_settings_say(model_path: Path, cat_jpeg: bytes) -> None:
    app = App(Settings(model_path=model_path, max_image_pixels=1000))
    response, problem = ask(app, "POST", "/predict", cat_jpeg)
    assert (response.status, "1,000 pixels" in problem["detail"]) == (413, True)
    before = len(list(Path("/proc/self/task").iterdir()))
    app = App(Settings(model_path=model_path, num_threads=3))
    assert len(list(Path("/proc/self/task").iterdir())) - before == 2


def test_a_photo_behind_a_url_is_waited_for_until_the_invocation_is_due(model_path: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    def silent(*_: object) -> None:
        begun.set()
        release.wait(30)

    with serving(silent) as slow:
        networks, ports = frozenset({ip_network("127.0.0.0/8")}), frozenset({slow.port})
        settings = Settings(
            model_path=model_path, url_allowed_networks=networks, url_allowed_ports=ports, fetch_timeout_s=30
        )
        invocation = Invocation("id", time.monotonic() + 1)
        url = {"url": f"http://127.0.0.1:{slow.port}/"}
        response = App(settings).respond(Request("POST", "/predict", url, {}, b""), invocation)
        assert (response.status, begun.is_set(), release.is_set()) == (504, True, False)
        release.set()


def test_an_answer_is_due_before_the_function_ends() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    assert 5 < from_context(Context()).remaining_s() < 9.9


def test_what_the_log_says_of_a_failed_fetch_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    record = telemetry.Record(from_context(None), source="http-api")
    record.add_problem(FetchFailedError("It failed.", found="x" * 100_000))
    record.emit()
    assert len(capsys.readouterr().out) < 20_000


def test_an_uploaded_photo_is_classified(app: App, cat_jpeg: bytes) -> None:
    response, answer = ask(app, "POST", "/predict", cat_jpeg)
    assert response.status == 200
    assert answer["label"] == "cat"
    assert 0 <= answer["probability"] < 0.1
    assert answer["model_version"] == app.classifier.description.version
    assert set(answer) == {"label", "probability", "uncertain", "model_version"}
    assert answer["uncertain"] is False
    assert "decode;dur=" in response.headers["server-timing"]


def test_a_photo_that_below_the_threshold_is_uncertain(uncertain_model_path: Path, cat_jpeg: bytes) -> None:
    _, answer = ask(App(Settings(model_path=uncertain_model_path)), "POST", "/predict", cat_jpeg)
    assert answer["label"] == "cat"
    assert answer["uncertain"] is True


def test_a_photo_behind_a_url_gets_the_answer_that_it_gets_as_an_upload(
    app: App, cat_jpeg: bytes, photo_server: str
) -> None:
    _, uploaded = ask(app, "POST", "/predict", cat_jpeg)
    response, answer = ask(app, "POST", "/predict", url=f"{photo_server}/cat.jpg?signature=x")
    assert (response.status, answer) == (200, uploaded)


def test_what_another_server_says_is_not_passed_on(app: App, photo_server: str) -> None:
    response, problem = ask(app, "POST", "/predict", url=f"{photo_server}/none.jpg")
    assert response.status == 502
    assert "secret" not in response.body
    assert problem["type"] == "urn:problem-type:fetch-failed"


@pytest.mark.parametrize(
    ("page", "word"),
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\xef\xbb\xbf\r\n <!doctype HTML>", "web page"),
        (b"<html lang=en>", "web page"),
        (b"<!-- a comment --><html>", "web page"),
        (b"<script>location='/login'</script>", "web page"),
        (b"", "empty"),
    ],
)
def test_a_url_that_leads_to_no_image_says_to_what(model_path: Path, page: bytes, word: str) -> None:
    with serving(photo(page, Content_Type="text/html")) as server:
        opened = Settings(
            model_path=model_path,
            url_allowed_networks=frozenset({ip_network("127.0.0.0/8")}),
            url_allowed_ports=frozenset({server.port}),
        )
        response, problem = ask(App(opened), "POST", "/predict", url=f"http://127.0.0.1:{server.port}/share?id=1")
    assert response.status == 415
    assert word in problem["detail"]


def test_health_names_the_model(app: App) -> None:
    _, answer = ask(app, "GET", "/health")
    model = app.classifier.description
    assert answer == {
        "status": "ok",
        "model_version": model.version,
        "labels": ["cat", "dog"],
        "positive_class": "dog",
        "confidence_threshold": model.confidence_threshold,
        "explains": True,
    }


@pytest.fixture(scope="module")
def seven(seven_model_path: Path) -> App:
    """An app of seven labels."""
    return App(Settings(model_path=seven_model_path, fetch_enabled=False))


def test_more_than_two_labels_have_a_probability_each(seven: App, cat_jpeg: bytes) -> None:
    _, health = ask(seven, "GET", "/health")
    assert set(health) == {"status", "model_version", "labels", "confidence_threshold", "explains"}
    _, answer = ask(seven, "POST", "/predict", cat_jpeg)
    assert set(answer) == {"label", "probability", "uncertain", "model_version", "probabilities"}
    assert list(answer["probabilities"]) == health["labels"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["probability"] == answer["probabilities"][answer["label"]] == max(answer["probabilities"].values())


@pytest.mark.parametrize("asked", [{"explain": "true"}, {}])
def test_an_answer_is_explained_if_somebody_asks(app: App, cat_jpeg: bytes, asked: dict[str, str]) -> None:
    _, answer = ask(app, "POST", "/predict", cat_jpeg, **asked)
    assert ("explanation" in answer) is bool(asked)
    if asked:
        assert [len(row) for row in answer["explanation"]] == [4] * 4
        assert all(evidence == round(evidence, 3) for row in answer["explanation"] for evidence in row)


def test_a_model_without_a_map_says_why_there_is_no_explanation(tmp_path: Path, cat_jpeg: bytes) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack((TINY / "three_numbers.tflite").read_bytes(), ("a", "b", "c"), None, {}))
    app = App(Settings(model_path=file))
    assert ask(app, "GET", "/health")[1]["explains"] is False
    response, problem = ask(app, "POST", "/predict", cat_jpeg, explain="true")
    assert (response.status, problem["type"]) == (422, "urn:problem-type:no-explanation")
    assert "convert the model again" in problem["detail"]
    assert ask(app, "POST", "/predict", cat_jpeg)[0].status == 200


@pytest.mark.parametrize(("labels", "dimensions"), [(10, ["function", "label"]), (11, ["function"])])
def test_predictions_are_counted_by_label_while_labels_are_few(
    labels: int, dimensions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.set_level("INFO")
    record = telemetry.Record(from_context(None), source="direct")
    probabilities = {str(number): 1 / labels for number in range(labels)}
    record.add_prediction(Prediction("3", 1 / labels, False, "v", 1.0, 1.0, probabilities))
    record.emit()
    line = json.loads(capsys.readouterr().out)
    assert line["label"] == "3"
    (counted,) = (each for each in line["_aws"]["CloudWatchMetrics"] if each["Metrics"][0]["Name"] == "predictions")
    assert counted["Dimensions"] == [dimensions]


def test_the_page_runs_what_it_holds_and_nothing_else(app: App) -> None:
    response = app.respond(Request("GET", "/"), from_context(None))
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(entry.split(" ", 1) for entry in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", response.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.findall(r"""\s(?:style|on\w+)=["']""", response.body)  # the policy would drop these
    hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.[a-z]+)", response.body))
    assert hosts == {"www.w3.org"}  # the name of SVG's namespace
    assert len(re.sub(r"data:image/jpeg;[^\"]*", "", response.body)) < 48_000
    assert len(response.body) < 100_000  # with the example photos
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_read_when_it_is_asked_for_and_not_before(model_path: Path) -> None:
    app = App(Settings(model_path=model_path))
    assert "_page_response" not in vars(app)
    first = app.respond(Request("GET", "/"), from_context(None))
    assert app.respond(Request("GET", "/"), from_context(None)).body is first.body


def test_head_has_the_headers_of_get_and_no_body(app: App) -> None:
    head, _ = ask(app, "HEAD", "/health")
    get, _ = ask(app, "GET", "/health")
    assert (head.status, head.headers, head.body) == (200, get.headers, "")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, "POST, OPTIONS"),
        ("DELETE", "/health", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/predict", 204, "POST, OPTIONS"),
    ],
)
def test_other_methods_are_told_which_are_allowed(app: App, method: str, path: str, status: int, allow: str) -> None:
    response, _ = ask(app, method, path)
    assert (response.status, response.headers["allow"]) == (status, allow)


@pytest.mark.parametrize("path", ["/nothing", "/predict/more", "/../health", "/page.html"])
def test_there_is_nothing_elsewhere(app: App, path: str) -> None:
    assert ask(app, "GET", path)[0].status == 404


@pytest.mark.parametrize(
    ("body", "query", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"<html>", {}, 415),
        (b"\xff\xd8\xffbroken", {}, 422),
        (b"", {"url": "http://169.254.169.254/latest/meta-data/"}, 422),
        (b"", {"url": "ftp://example.org/cat.jpg"}, 422),
        (b"\xff\xd8\xff" + bytes(10_000_000), {}, 413),
    ],
)
def test_bad_input_is_a_problem_that_says_what_to_do(app: App, body: bytes, query: dict[str, str], status: int) -> None:
    response, problem = ask(app, "POST", "/predict", body, **query)
    assert response.status == problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail"}
    assert len(problem["detail"]) > 20
    assert "Traceback" not in response.body


def test_a_bug_is_logged_and_the_client_gets_a_plain_answer(
    model_path: Path, cat_jpeg: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    app = App(Settings(model_path=model_path))
    del app.classifier  # as broken as can be
    response, problem = ask(app, "POST", "/predict", cat_jpeg)
    assert (response.status, problem["title"]) == (500, "Internal error")
    assert "classifier" not in response.body
    line = json.loads(capsys.readouterr().out)
    assert "AttributeError" in line["traceback"]
    assert line["level"] == "ERROR"


def test_a_bug_that_is_about_the_photo_does_not_log_it(
    app: App, capsys: pytest.CaptureFixture[str], cat_jpeg: bytes
) -> None:
    class Broken:
        description = app.classifier.description

        def classify(self, image: bytes, *, explain: bool) -> None:
            image.decode("ascii")

    broken = App(app.settings, classifier=cast("Any", Broken()))
    assert ask(broken, "POST", "/predict", cat_jpeg + b"S3CRET" * 9000)[0].status == 500
    written = capsys.readouterr().out
    assert "UnicodeDecodeError" in json.loads(written)["detail"]
    assert "S3CRET" not in written
    assert len(written) < 16_000


def test_cors_is_as_the_settings_say(app: App, model_path: Path) -> None:
    response, _ = ask(app, "GET", "/health")
    assert "access-control-allow-origin" not in response.headers
    open_app = App(Settings(model_path=model_path, cors_allow_origin="https://example.org"))
    for method, path in (("OPTIONS", "/predict"), ("GET", "/health"), ("GET", "/nothing")):
        response, _ = ask(open_app, method, path)
        assert response.headers["access-control-allow-origin"] == "https://example.org"


@pytest.mark.parametrize(
    "url",
    [
        "data:image/jpeg;base64,c2VjcmV0c2VjcmV0", "c2VjcmV0" * 100, "http://10.0.0.1/secret/cat.jpg?secret",
        "http://secret@10.0.0.1/", "ftp://10.0.0.1/secret", "http://10.0.0.1:22/secret", "secret",
        "http://127.0.0.1:1/secret", " http://10.0.0.1/a secret",
    ],
)  # fmt: skip
def test_a_request_writes_one_json_line_and_of_a_url_no_more_than_scheme_and_host(
    app: App, url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    response, problem = ask(app, "POST", "/predict", url=url)
    out, err = capfd.readouterr()
    line = json.loads(out)  # one, and nothing else
    assert (line["status"], line["error"]) == (response.status, problem["type"].rpartition(":")[2])
    assert (err, caplog.records) == ("", [])
    assert not [text for text in (url, "secret", "c2VjcmV0") if text in out]


def test_what_was_found_behind_a_url_is_in_the_line_and_not_in_the_answer(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    response, _ = ask(app, "POST", "/predict", url="http://10.0.0.1:80/cat.jpg")
    found = json.loads(capsys.readouterr().out)["found"]
    assert "10.0.0.1" in found
    assert found not in response.body


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_every_line_obeys_the_level_and_none_hides_a_bug(
    model_path: Path, cat_jpeg: bytes, capfd: pytest.CaptureFixture[str], level: str
) -> None:
    app = App(Settings(model_path=model_path, log_level=level))
    capfd.readouterr()
    ask(app, "POST", "/predict", cat_jpeg)
    ask(app, "POST", "/predict", url="http://10.0.0.1/")
    del app.classifier
    ask(app, "POST", "/predict", cat_jpeg)
    out, err = capfd.readouterr()
    levels = ["INFO", "WARNING", "ERROR"]
    expected = levels[levels.index(level) :] if level in levels else levels
    App(Settings(model_path=model_path))  # other tests read lines of the default level
    assert [json.loads(line)["level"] for line in out.splitlines()] == expected
    assert err == ""


def test_the_log_line_has_the_answer_and_the_times_but_no_photo_and_no_query(
    app: App, photo_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request("POST", "/predict", {"url": f"{photo_server}/cat.jpg?signature=x"})
    app.respond(request, from_context(None, cold_start=True))
    out = capsys.readouterr().out
    line = json.loads(out)
    assert {"request_id", "source", "route", "status", "level"} <= set(line)
    assert {"label", "probability", "uncertain", "model_version"} <= set(line)
    assert line["cold_start"] is True
    assert line["total_ms"] >= line["fetch_ms"] + line["decode_ms"] + line["inference_ms"]
    assert "signature" not in out
    metrics = line["_aws"]["CloudWatchMetrics"]
    assert {metric["Name"] for directive in metrics for metric in directive["Metrics"]} <= set(line)


def test_the_contract_is_valid_and_true(app: App, seven: App, cat_jpeg: bytes) -> None:
    pytest.importorskip("openapi_spec_validator", reason="a tool of the development environment")
    import jsonschema
    import openapi_spec_validator

    response, contract = ask(app, "GET", "/openapi.json")
    assert response.status == 200
    openapi_spec_validator.validate(contract)
    assert {path: {method.upper() for method in methods} for path, methods in contract["paths"].items()} == {
        path: set(methods) for path, methods in app._routes.items()
    }
    encoded = json.dumps({"image": base64.b64encode(cat_jpeg).decode(), "explain": True}).encode()
    for asked, (method, path, body) in itertools.product(
        (app, seven),
        (
            ("POST", "/predict", cat_jpeg),
            ("POST", "/predict", encoded),
            ("POST", "/predict", b""),
            ("POST", "/predict", b"<html>"),
            ("POST", "/predict", b"GIF89a"),
            ("GET", "/health", b""),
            ("GET", "/openapi.json", b""),
        ),
    ):
        answered, value = ask(asked, method, path, body)
        documented = contract["paths"][path][method.lower()]["responses"][str(answered.status)]
        schema = documented["content"][answered.headers["content-type"]]["schema"]
        jsonschema.validate(value, {**schema, "components": contract["components"]})
    prediction = contract["components"]["schemas"]["Prediction"]
    for example in prediction["examples"]:
        jsonschema.validate(example, prediction)
