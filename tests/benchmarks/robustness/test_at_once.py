"""The service meets several clients at once, and its memory is read."""

import pytest

from benchmarks.robustness import at_once, costly


def test_kinds_are_made_files() -> None:
    assert set(at_once.KINDS) <= set(costly.files())


def test_a_kind_that_is_refused_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "KINDS", ("BMP: single pixels", "BMP: 50 MP of run lengths"))
    assert at_once.main(["--only", "single"]) == 0
    assert at_once.main(["--only", "50 MP"]) == 1


def test_all_clients_are_answered(cat_jpeg: bytes) -> None:
    megabytes, statuses = at_once.measure(cat_jpeg, clients=3)
    assert statuses == {200}
    assert 30 < megabytes < 500
