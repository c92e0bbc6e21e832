"""The forms in which a photo can come with an HTTP request: a URL, or its bytes in one of three wrappings."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serve.errors import ImageTooLargeError, MalformedRequestError, UnsupportedImageTypeError
from serve.model import preprocess

_FORMS = (
    'a JSON body {"url": "..."} or {"image": "<base64>"}, a multipart/form-data body with a part named "file", '
    "an image/* body, or ?url=..."
)


@dataclass(frozen=True)
class Request:
    """An HTTP request, freed of what carried it.

    Attributes:
        method: in capitals.
        path: decoded, without query and stage.
        query: decoded; of a repeated name, the last value.
        headers: names in lower case.
        body: as the client sent it.
        source: which kind of event brought it.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    source: str = "http"


@dataclass(frozen=True)
class Photo:
    """Where a photo is: exactly one of the two is set."""

    url: str | None = None
    image: bytes | None = None


def photo_in(request: Request, max_bytes: int) -> Photo:
    """The photo that a `POST /predict` brings.

    Raises:
        MalformedRequestError: there is none, more than one, or its wrapping is broken.
        UnsupportedImageTypeError: the body is of a type that is not taken here.
        ImageTooLargeError: more than `max_bytes`, unwrapped.
    """
    if "url" in request.query:
        if request.body:
            raise MalformedRequestError("Both ?url= and a body were sent: send one photo a request.")
        return Photo(url=request.query["url"])
    if not request.body:
        raise MalformedRequestError(f"No photo was sent: send {_FORMS}.")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        photo = Photo(image=_multipart_file(request.body, request.headers["content-type"], max_bytes))
    # The bytes decide, not the type: curl calls all that it sends with -d a form.
    elif preprocess.sniff(request.body) or content_type.startswith("image/"):
        photo = Photo(image=request.body)
    elif content_type.endswith("json") or request.body.lstrip()[:1] == b"{":
        photo = photo_in_json(_json(request.body))
    else:
        raise UnsupportedImageTypeError(f"A body of this type is not taken: send {_FORMS}.")
    if photo.image is not None and len(photo.image) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return photo


def photo_in_json(value: Any) -> Photo:
    """The photo in `{"url": "..."}` or `{"image": "<base64>"}`; a `data:` URL's prefix before the base64 is taken too.

    Raises:
        MalformedRequestError: it has none of the two, or both, or the base64 is invalid.
    """
    if not isinstance(value, dict) or ("url" in value) == ("image" in value):
        raise MalformedRequestError('The JSON must be an object with either "url" or "image".')
    name = "url" if "url" in value else "image"
    text = value[name]
    if not isinstance(text, str) or not text:
        raise MalformedRequestError(f'"{name}" must be a string that is not empty.')
    return Photo(url=text) if name == "url" else Photo(image=decode_base64(text))


def decode_base64(text: str) -> bytes:
    """The bytes behind standard base64 (RFC 4648, section 4), in one line or several.

    Raises:
        MalformedRequestError: it is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRequestError("The image is not valid base64.") from error


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError("The body is not valid JSON.") from error


def _multipart_file(body: bytes, content_type: str, max_bytes: int) -> bytes:
    """The part named "file" of a form (RFC 7578)."""
    import io

    import multipart  # here, because few requests need it

    _, options = multipart.parse_options_header(content_type)
    try:
        # All parts stay in memory: the body is there already, and only /tmp could be written to on Lambda.
        parser = multipart.MultipartParser(
            io.BytesIO(body),
            options.get("boundary", ""),
            content_length=len(body),
            part_limit=16,
            spool_limit=len(body) + 1,
            memory_limit=len(body) + 1,
        )
        parts = [part for part in parser if part.name == "file"]
        files = [part.raw for part in parts]
    except (multipart.MultipartError, ValueError) as error:
        raise MalformedRequestError("The multipart body is broken: it must end with its boundary.") from error
    if len(files) != 1:
        raise MalformedRequestError(f'The form must have one part named "file"; it has {len(files)}.')
    if len(files[0]) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return bytes(files[0])
