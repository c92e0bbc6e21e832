"""Every part of the scale section, in a tiny real run of our handler in this environment."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import environments
from benchmarks.environments import Contender
from benchmarks.scale import growth


@pytest.fixture(scope="module")
def results(root: Path, shipped_model_path: Path) -> dict[str, Any]:
    pytest.importorskip("moto.server", reason="needs moto: it is in the dev environment")
    environ = {"MODEL_PATH": str(shipped_model_path)}
    ours = Contender(environments.OURS, "ours", Path(sys.executable), root, environ)
    return growth.run([ours], rounds=1, most_requests=20, megapixels=(0.2, 1.0), batches=(1, 3))


def test_every_size_was_measured_with_one_thread_and_two(results: dict[str, Any]) -> None:
    sizes = [(each["megapixels"], each["threads"]) for each in results["pixels"]]
    assert sizes == [(0.2, 1), (0.2, 2), (1.0, 1), (1.0, 2)]
    assert all(each["p50_ms"] > 0 and each["peak_mb"] > 20 for each in results["pixels"])


def test_every_batch_was_measured(results: dict[str, Any]) -> None:
    assert [each["records"] for each in results["batches"]] == [1, 3]
    assert all(each["photo_ms"] * each["records"] == pytest.approx(each["event_ms"]) for each in results["batches"])


def test_requests_leave_no_descriptor_open(results: dict[str, Any]) -> None:
    assert [each["requests"] for each in results["requests"]] == [1, 10, 20]
    assert len({each["descriptors"] for each in results["requests"]}) == 1


def test_the_tables_show_every_figure(results: dict[str, Any]) -> None:
    text = growth.markdown(results)
    assert text.count("\n|") == 4 + 2 + 3 + 2 * 3 - 1  # rows, heads and rules; the first line has no break before it
    assert f"{results['pixels'][0]['p50_ms']:.1f}" in text


def test_the_plot_is_a_picture(results: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: it is in the dev environment")
    growth.plot(results, tmp_path / "growth.png")
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 500


@pytest.mark.parametrize("megapixels", growth.MEGAPIXELS)
def test_a_photo_has_no_more_pixels_than_said(megapixels: float) -> None:
    width, height = growth.size_of(megapixels)
    assert 0.99e6 * megapixels < width * height <= 1e6 * megapixels
    assert width / height == pytest.approx(4 / 3, rel=0.01)


def test_a_tiled_photo_is_a_jpeg_of_that_size() -> None:
    with Image.open(io.BytesIO(growth.tiled((1500, 800)))) as photo:
        assert (photo.format, photo.size) == ("JPEG", (1500, 800))


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (10, [1, 10]), (2500, [1, 10, 100, 1000, 2500])])
def test_marks_are_powers_of_ten_and_the_last(most: int, expected: list[int]) -> None:
    assert growth.marks(most) == expected


def test_the_line_through_batches() -> None:
    batches = [{"records": n, "event_ms": 30 + 4 * n} for n in (1, 10, 50)]
    assert growth.fit(batches) == pytest.approx({"base_ms": 30, "photo_ms": 4})
    with pytest.raises(ValueError, match="two sizes"):
        growth.fit(batches[:1])
