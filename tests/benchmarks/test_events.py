import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import events
from serve.adapters import api_gateway, s3
from serve.adapters._records import S3Object
from serve.http import Request
from serve.upload import photo_in


@pytest.fixture
def example(root: Path) -> Path:
    return root / "examples" / "cat.jpg"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_the_photo_has_the_size_and_format_asked_for(example: Path, image_format: str) -> None:
    with Image.open(io.BytesIO(events.photo(example, (320, 240), image_format))) as image:
        assert (image.size, image.format) == ((320, 240), image_format)


def test_a_photo_is_the_same_each_time(example: Path) -> None:
    assert events.photo(example, (64, 48)) == events.photo(example, (64, 48))


def test_an_enlarged_photo_is_no_easier_to_store_than_a_real_one(example: Path) -> None:
    enlarged = events.photo(example, (1600, 1200))
    # Cameras' JPEGs have 0.2 to 0.5 bytes a pixel; a smooth enlargement has 0.05.
    assert 0.15 < len(enlarged) / (1600 * 1200) < 0.6


def test_our_code_recognizes_the_events() -> None:
    assert api_gateway.infer(events.upload(b"photo"))
    notification = events.s3_notification(["a b.jpg", "c.jpg"])
    assert s3.infer(notification)
    keys = [item.key for item in s3.objects_in(notification) if isinstance(item, S3Object)]
    assert keys == ["a b.jpg", "c.jpg"]


def test_the_photo_comes_out_of_the_event_as_it_went_in() -> None:
    assert events.body(events.upload(b"\xff\xd8photo")) == b"\xff\xd8photo"


def test_our_code_reads_the_form() -> None:
    request = Request("POST", "/predict", headers={"content-type": events.FORM}, body=events.form(b"\xff\xd8photo"))
    assert photo_in(request, 1000).image == b"\xff\xd8photo"


@pytest.mark.parametrize(
    "answer",
    [
        {"probability": 0.25},
        {"statusCode": 200, "body": json.dumps({"label": "cat", "probability": 0.25})},
        {"results": [{"probability": 0.5}, {"probability": 0.25}]},
    ],
)
def test_the_probability_is_found_in_every_kind_of_answer(answer: Any) -> None:
    assert events.probability(answer) == 0.25


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"results": []}, {"error": {"status": 422}}, {"statusCode": 422, "body": '{"title": "refused"}'}],
)
def test_a_problem_is_no_answer(answer: Any) -> None:
    with pytest.raises(ValueError, match="no probability"):
        events.probability(answer)
