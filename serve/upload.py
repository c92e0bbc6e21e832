"""The forms of a photo in a request: a URL, or its bytes as they are, in JSON, or in a multipart form."""

import base64
import binascii
import json
from typing import Any, NamedTuple

from serve.errors import ImageTooLargeError, MalformedRequestError, UnsupportedImageTypeError
from serve.http import Request
from serve.model import preprocess

_FORMS = (
    'a JSON body {"url": "..."} or {"image": "<base64>"}, a multipart/form-data body with a part named "file", '
    "an image/* body, or ?url=..."
)


class Photo(NamedTuple):
    """A photo's URL or its bytes: exactly one of the two is set."""

    url: str | None = None
    image: bytes | None = None


def photo_in(request: Request, max_bytes: int) -> Photo:
    """The photo of a `POST /predict`.

    Raises:
        MalformedRequestError: there is no photo, more than one, or its form is broken.
        UnsupportedImageTypeError: the body is not in one of the forms.
        ImageTooLargeError: the photo has more than `max_bytes`, without its form.
    """
    if "url" in request.query:
        if request.body:
            raise MalformedRequestError("The request has both ?url= and a body. Send one photo a request.")
        return Photo(url=request.query["url"])
    if not request.body:
        raise MalformedRequestError(f"The request has no photo. Send {_FORMS}.")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        photo = Photo(image=_multipart_file(request.body, request.headers["content-type"], max_bytes))
    # The bytes decide, not the type: curl -d declares a form, whatever it sends.
    elif preprocess.sniff(request.body) or content_type.startswith("image/"):
        photo = Photo(image=request.body)
    elif content_type.endswith("json") or request.body.lstrip()[:1] == b"{":
        photo = photo_in_json(_json(request.body))
    else:
        raise UnsupportedImageTypeError(f"The service does not accept a body of this type. Send {_FORMS}.")
    if photo.image is not None and len(photo.image) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return photo


def photo_in_json(value: Any) -> Photo:
    """The photo in `{"url": "..."}` or `{"image": "<base64>"}`; the base64 may follow the prefix of a `data:` URL.

    Raises:
        MalformedRequestError: it has neither member, or both, or the base64 is invalid.
    """
    if not isinstance(value, dict) or ("url" in value) == ("image" in value):
        raise MalformedRequestError('The JSON must be an object with either "url" or "image".')
    name = "url" if "url" in value else "image"
    text = value[name]
    if not isinstance(text, str) or not text:
        raise MalformedRequestError(f'"{name}" must be a non-empty string.')
    return Photo(url=text) if name == "url" else Photo(image=decode_base64(text))


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64 (RFC 4648, section 4), in one line or several.

    Raises:
        MalformedRequestError: it is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRequestError("The image is not valid base64. Encode the file's bytes.") from error


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError("The body is not valid JSON. Check its quotes and brackets.") from error


def _multipart_file(body: bytes, content_type: str, max_bytes: int) -> bytes:
    """The part named "file" of a form (RFC 7578)."""
    import io

    import multipart  # here: few requests need it

    _, options = multipart.parse_options_header(content_type)
    try:
        # All parts stay in memory: the body is there already, and on Lambda only /tmp is writable.
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
        raise MalformedRequestError("The multipart body is broken. It must end with its boundary.") from error
    if len(files) != 1:
        raise MalformedRequestError(f'The form has {len(files)} parts named "file". Send one.')
    if len(files[0]) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return bytes(files[0])
