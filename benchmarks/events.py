"""Events as AWS sends them, the answers to them, and the photos that they bring."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import numpy as np
from PIL import Image

SMALL: Final = (500, 375)
LARGE: Final = (4000, 3000)
UPLOADS: Final = "benchmark-uploads"
RESULTS: Final = "benchmark-results"


def upload(photo: bytes, content_type: str = "image/jpeg") -> dict[str, Any]:
    """An HTTP API's event (payload format 2.0) that brings a photo."""
    return {
        "version": "2.0",
        "rawPath": "/predict",
        "rawQueryString": "",
        "headers": {"content-type": content_type},
        "requestContext": {"http": {"method": "POST", "path": "/predict"}, "stage": "$default"},
        "body": base64.b64encode(photo).decode(),
        "isBase64Encoded": True,
    }


def body(event: dict[str, Any]) -> bytes:
    """The photo inside an event of `upload`."""
    return base64.b64decode(event["body"])


def s3_notification(keys: Sequence[str]) -> dict[str, Any]:
    """S3's event for objects that were put into `UPLOADS`."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventName": "ObjectCreated:Put",
                "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": UPLOADS}, "object": {"key": quote_plus(key)}},
            }
            for key in keys
        ]
    }


def probability(answer: Any) -> float:
    """P(dog) out of any contender's answer: the last one, where there are several.

    Raises:
        ValueError: it holds none.
    """
    if isinstance(answer, dict):
        if "probability" in answer:
            return float(answer["probability"])
        if "body" in answer:
            return probability(json.loads(answer["body"]))
        if answer.get("results"):
            return probability(answer["results"][-1])
    raise ValueError(f"no probability in {str(answer)[:500]}")


def photo(source: Path, size: tuple[int, int], image_format: str = "JPEG") -> bytes:
    """The photo at another size, with the grain that a camera of that many pixels gives, so that its bytes are alike.

    Args:
        source: an image file.
        size: (width, height) in pixels.
        image_format: Pillow's name.
    """
    with Image.open(source) as image:
        larger = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), np.float32)
    # One value for the three channels of a pixel: noise of light, not of color.
    grain = np.random.default_rng(1).normal(0, 6, (*larger.shape[:2], 1))
    file = io.BytesIO()
    options = {"quality": 85} if image_format != "PNG" else {}
    Image.fromarray(np.clip(larger + grain, 0, 255).astype(np.uint8)).save(file, image_format, **options)
    return file.getvalue()
