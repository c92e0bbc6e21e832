import base64
import json
from pathlib import Path
from typing import Any

import pytest

from local import invoke


def handler(event: Any, context: Any) -> Any:
    return {"error": {"status": 422}} if event.get("url") == "https://bad.example/" else {"seen": event}


def test_a_file_goes_as_base64_and_a_url_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8")
    assert invoke.main(handler, [str(tmp_path / "cat.jpg")]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"image": base64.b64encode(b"\xff\xd8").decode()}}
    assert invoke.main(handler, ["https://example.org/cat.jpg"]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"url": "https://example.org/cat.jpg"}}


def test_the_exit_status_tells_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke.main(handler, ["https://bad.example/"]) == 1
    assert invoke.main(handler, ["/no/such/file.jpg"]) == 2
    assert "No such file" in capsys.readouterr().err
    assert invoke.main(handler, []) == 2
    assert "usage" in capsys.readouterr().err


def test_an_event_goes_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "event.json").write_text('{"some": ["event"]}')
    assert invoke.main(handler, ["--event", str(tmp_path / "event.json")]) == 0
    assert json.loads(capsys.readouterr().out) == {"seen": {"some": ["event"]}}
    (tmp_path / "event.json").write_text("{")
    assert invoke.main(handler, ["--event", str(tmp_path / "event.json")]) == 2
    assert "usage" in capsys.readouterr().err
