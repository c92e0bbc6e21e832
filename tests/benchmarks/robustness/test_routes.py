"""Every route brings a photo to an answer, and its process is measured."""

import pytest

from benchmarks.robustness import costly, routes


def test_kinds_are_made_files() -> None:
    assert set(routes.KINDS) <= set(costly.files())


@pytest.mark.parametrize("route", ["event, form", "event, JSON", "event, URL", "event, S3", "service, JSON"])
def test_a_photo_is_answered(route: str, cat_jpeg: bytes) -> None:
    measured = routes.measure(route, cat_jpeg)
    assert measured is not None
    seconds, megabytes, is_answered = measured
    assert is_answered
    assert 0 <= seconds < 10
    assert 20 < megabytes < 400


def test_the_start_of_the_command_line_counts(cat_jpeg: bytes) -> None:
    seconds, megabytes, is_answered = routes.command_line(cat_jpeg)
    assert is_answered
    assert seconds > 0.02
    assert megabytes > 20


@pytest.mark.parametrize("route", ["event, bytes", "service, form", "command line"])
def test_what_is_no_photo_is_not_answered(route: str) -> None:
    measured = routes.measure(route, b"no photo")
    assert measured is not None
    assert not measured[2]


@pytest.mark.parametrize("route", routes.UPLOADS)
def test_uploads_end_where_a_payload_does(route: str) -> None:
    assert routes.measure(route, bytes(4_700_000)) is None


def test_a_photo_beyond_the_bill_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "KINDS", ("BMP: single pixels", "BMP: run lengths of 1"))
    arguments = ["--only", "single", "--route", "event, direct", "--seconds"]
    assert routes.main([*arguments, "60"]) == 0
    assert routes.main([*arguments, "0.0001"]) == 1
    assert "1 beyond 0.0001 s" in capsys.readouterr().out
