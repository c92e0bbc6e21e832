"""Events as AWS sends them, the photos inside them, and the answers."""

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


_BOUNDARY: Final = "a-boundary"
FORM: Final = f"multipart/form-data; boundary={_BOUNDARY}"
"""The content type of `form`."""


def form(photo: bytes) -> bytes:
    """A multipart/form-data body with one file."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()


def http_api(method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> dict[str, Any]:
    """An HTTP API's event, in payload format 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": content_type},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def upload(photo: bytes, content_type: str = "image/jpeg") -> dict[str, Any]:
    """An HTTP API's event with a photo in its body."""
    return http_api("POST", "/predict", photo, content_type)


def body(event: dict[str, Any]) -> bytes:
    """The photo in an event of `upload`."""
    return base64.b64decode(event["body"])


def s3_notification(keys: Sequence[str]) -> dict[str, Any]:
    """S3's event for new objects in `UPLOADS`."""
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
    """P(dog) in any handler's answer; the last one, if there are several.

    Raises:
        ValueError: the answer has none.
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
    """The photo at another size, with the grain of a camera of that many pixels.

    Without the grain, an enlarged photo would have far fewer bytes a pixel than a camera's, and decode faster.

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
