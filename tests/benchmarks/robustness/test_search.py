"""A search measures as `bill` does, and goes on from what cost most."""

import random
from pathlib import Path

import pytest

from benchmarks.robustness import bill, corpus, costly
from benchmarks.robustness.search import Search, measure_all
from serve.model.classifier import Classifier
from tests.benchmarks.robustness.test_bill import Wasteful


@pytest.fixture(scope="module")
def classifier(shipped_model_path: Path) -> Classifier:
    return Classifier(shipped_model_path)


def test_a_search_begins_with_files_of_all_formats_and_can_be_repeated(classifier: Classifier) -> None:
    assert set(costly.small()) == {"JPEG", "PNG", "GIF", "BMP", "WebP", "AVIF", "HEIC", "profile"}
    first = Search(classifier, 3, {})
    found = first.step()
    assert all(data for _, _, data in found)
    assert first.count == len(found) > 1


def test_mutations_change_files() -> None:
    files = corpus.image_files()
    changed = corpus.mutated(files["png"], files["jpeg"], random.Random(1))
    assert changed != files["png"]


def test_photos_that_share_a_process_are_measured_one_by_one(shipped_model_path: Path, cat_jpeg: bytes) -> None:
    wasteful = Wasteful(shipped_model_path)
    first, crashed, second = measure_all(wasteful, [b"", b"crash", b""])
    for found in (first, second):
        assert found.megabytes > 150
        assert 20_000 < found.log_bytes < 40_000
        assert found.status == 200
    assert crashed.status == 0
    good, bad = measure_all(Classifier(shipped_model_path), [cat_jpeg, b"nothing"])
    assert (good.status, bad.status) == (200, 415)
    assert good.seconds < 1
    assert good.log_bytes == bad.log_bytes == 0


def test_an_empty_file_is_not_gone_on_from(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search(classifier, 1, {})
    monkeypatch.setattr(search, "_mutated", lambda *_: b"")
    assert {data for _, _, data in search.step()} == {b""}
    assert all(data for kept in search._kept.values() for _, _, data in kept)


def test_a_mutation_of_a_costly_file_is_not_gone_on_from(classifier: Classifier) -> None:
    files = corpus.image_files()
    search = Search(classifier, 1, {kind: [files["bmp"]] for kind in costly.small()})
    drawn = [search._drawn() for _ in range(1000)]
    assert 0 < sum(not is_kept for _, _, is_kept in drawn) < 60
    assert isinstance(search.step()[0][1], bill.Bill)
