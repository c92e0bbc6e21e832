import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import invoke
from serve.errors import MalformedRequestError


def handler(event: Any, context: Any) -> Any:
    return (
        {"error": {"detail": "The URL is refused."}} if event.get("url") == "https://bad.example/" else {"seen": event}
    )


def test_a_file_goes_as_base64_and_a_url_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    assert invoke.main(handler, [str(tmp_path / "cat.jpg")]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"image": base64.b64encode(b"\xff\xd8").decode()}}
    assert invoke.main(handler, ["https://example.org/cat.jpg"]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"url": "https://example.org/cat.jpg"}}


def test_a_problem_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke.main(handler, ["https://bad.example/"]) == 1
    assert capsys.readouterr().err == "error: The URL is refused.\n"


def test_an_event_that_the_handler_refuses_is_one_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(event: Any, context: Any) -> Any:
        raise MalformedRequestError(f"Seen: {event}")

    (tmp_path / "event.json").write_text("[]")
    assert invoke.main(refuse, ["--event", str(tmp_path / "event.json")]) == 1
    assert capsys.readouterr().err == "error: Seen: []\n"


def test_a_setting_that_is_missing_is_one_sentence_too(root: Path) -> None:
    """An event of S3 needs a bucket for its result."""
    command = [sys.executable, "lambda_function.py", "--event", "events/s3_upload.json"]
    environment = {name: value for name, value in os.environ.items() if name != "RESULTS_BUCKET"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: RESULTS_BUCKET is not set")
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_read_is_named_with_its_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    for arguments, cause in (
        (["/no/such/file.jpg"], "/no/such/file.jpg: No such file"),
        ([str(tmp_path)], "is a folder"),
        ([str(tmp_path / "empty.jpg")], "the file is empty"),
        (["--event", str(tmp_path / "broken.json")], "not JSON"),
        (["--event", str(tmp_path / "deep.json")], "not JSON"),
        ([], "usage"),
        (["--unknown"], "usage"),
    ):
        assert invoke.main(handler, arguments) == 2
        printed = capsys.readouterr()
        assert cause in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""


def test_an_event_goes_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "event.json").write_text('{"some": ["event"]}')
    assert invoke.main(handler, ["--event", str(tmp_path / "event.json")]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"some": ["event"]}}


def test_an_answer_to_an_http_event_that_is_a_problem_has_its_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "event.json").write_text("{}")
    assert invoke.main(lambda _event, _context: {"statusCode": 404}, ["--event", str(tmp_path / "event.json")]) == 1
    assert json.loads(capsys.readouterr().out) == {"statusCode": 404}


@pytest.mark.parametrize(("sink", "status", "why"), [("| head -c 1", 0, ""), ("> /dev/full", 2, "No space left")])
def test_an_answer_that_nobody_takes_is_no_traceback(root: Path, sink: str, status: int, why: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs Linux's /dev/full")
    program = "import sys; from local import invoke; sys.exit(invoke.main(lambda *_: 'x' * 1_000_000))"
    shell = f'"{sys.executable}" -c "{program}" http://example.org/ {sink}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", shell], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert why in done.stderr
    assert "Traceback" not in done.stderr
