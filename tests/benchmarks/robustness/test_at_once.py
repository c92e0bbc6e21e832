"""The service meets several clients at once, and its memory is read."""

from benchmarks.robustness import at_once, costly


def test_kinds_are_made_files() -> None:
    assert set(at_once.KINDS) <= set(costly.files())


def test_all_clients_are_answered(cat_jpeg: bytes) -> None:
    megabytes, statuses = at_once.measure(cat_jpeg, clients=3)
    assert statuses == {200}
    assert 30 < megabytes < 500
