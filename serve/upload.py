"""The forms of a photo in a request: a URL, or its bytes as they are, in JSON, or in a multipart form."""

import binascii
import json
import re
from typing import Any, Final, NamedTuple

from serve.errors import ImageTooLargeError, MalformedRequestError, UnsupportedImageTypeError
from serve.http import Request
from serve.model import formats

_FORMS = (
    'a JSON body {"url": "..."} or {"image": "<base64>"}, a multipart/form-data body with a part named "file", '
    "an image/* body, or ?url=..."
)
_BOOLEANS: Final = {"true": True, "false": False}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=\s-]+")
_DATA_URL: Final = re.compile(r"\s*data:", re.IGNORECASE)
_BASE64_URL: Final = re.compile(r"\s*data:[^,]*;base64,", re.IGNORECASE)
_BLANKS: Final = b" \t\n\v\f\r"
_MARK: Final = b"\xef\xbb\xbf"  # of UTF-8, before the text
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5
_MAX_COMMAS: Final = 1000  # of JSON: one photo has few members; a million of them take half a gigabyte
_A_FEW_LINES: Final = 2048  # bytes
_LONG_ENOUGH_FOR_BASE64: Final = 64  # the smallest image; a host name without a dot is shorter


class Photo(NamedTuple):
    """What a client asks about.

    Attributes:
        url, image: the photo's URL, or its bytes: exactly one of the two is set.
        explain: whether the answer is to say where in the photo the evidence is.
    """

    url: str | None = None
    image: bytes | None = None
    explain: bool = False


def photo_in(request: Request, max_bytes: int) -> Photo:
    """The photo of a `POST /predict`.

    Raises:
        MalformedRequestError: there is no photo, more than one, its form is broken, or `explain` is no boolean.
        UnsupportedImageTypeError: the body is not in one of the forms, or is compressed in a way that nothing here
            undoes.
        ImageTooLargeError: the photo has more than `max_bytes`, without its form.
    """
    explain = flag(_BOOLEANS.get(request.query.get("explain", "false")))
    photo = _photo(request, max_bytes)
    return photo._replace(explain=explain or photo.explain)


def _photo(request: Request, max_bytes: int) -> Photo:
    if "url" in request.query:
        return _photo_in_query(request)
    if not request.body:
        raise MalformedRequestError(f"The request has no photo. Send {_FORMS}.")
    photo = _photo_in_body(_decompressed(request, max_bytes), request.headers.get("content-type", ""), max_bytes)
    if photo.image is not None and len(photo.image) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return photo


def _photo_in_query(request: Request) -> Photo:
    if request.body:
        raise MalformedRequestError("The request has both ?url= and a body. Send one photo a request.")
    if request.query.keys() - {"url", "explain"}:
        # The photo's URL has parameters of its own, and "&" has cut them off.
        raise MalformedRequestError(
            "The query has parameters beside url and explain. Percent-encode the URL of the photo: & as %26, ? as %3F, "
            "# as %23."
        )
    url = request.query["url"]
    # A query's "+" is a blank, and base64 has none.
    return _photo_at(url.strip().replace(" ", "+") if _BASE64_URL.match(url) else url)


def _photo_in_body(body: bytes, content_type: str, max_bytes: int) -> Photo:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        from serve import form  # here: few requests need it

        parts = form.read(body, content_type, max_bytes)
        return Photo(image=parts.file, explain=flag(_BOOLEANS.get(parts.explain)))
    # The bytes decide, not the type: curl --data-binary declares a form, whatever it sends.
    if formats.sniff(body):
        if media_type == "application/x-www-form-urlencoded" and _lacks_line_ends(body):
            raise MalformedRequestError("curl -d drops line ends, and with them bytes of the image. Use --data-binary.")
        return Photo(image=body)
    if _is_base64(body[:_A_FEW_LINES].decode("latin-1")):
        raise MalformedRequestError('The body is base64. Send it as JSON: {"image": "<base64>"}.')
    if media_type.startswith("image/"):
        return Photo(image=body)
    if media_type.endswith("json") or body.removeprefix(_MARK).lstrip()[:1] == b"{":
        return photo_in_json(_json(body))
    raise UnsupportedImageTypeError(f"The service does not accept a body of this type. Send {_FORMS}.")


def photo_in_json(value: Any) -> Photo:
    """The photo in `{"url": "..."}` or `{"image": "<base64>"}`, where either may be a `data:` URL; and `explain`.

    Raises:
        MalformedRequestError: it does not have exactly one of the two members, the base64 is invalid, or `explain` is
            no boolean.
    """
    if not isinstance(value, dict) or ("url" in value) == ("image" in value):
        raise MalformedRequestError('The JSON must be an object with either "url" or "image".')
    name = "url" if "url" in value else "image"
    text = value[name]
    if not isinstance(text, str) or not text or text.isspace():
        raise MalformedRequestError(f'"{name}" must be a non-empty string.')
    photo = _photo_at(text) if name == "url" else Photo(image=_image_in(text))
    return photo._replace(explain=flag(value.get("explain", False)))


def flag(value: Any) -> bool:
    """The value of `explain` in JSON.

    Raises:
        MalformedRequestError: it is no boolean.
    """
    if not isinstance(value, bool):
        raise MalformedRequestError('"explain" must be true or false.')
    return value


def _is_base64(text: str) -> bool:
    return len(text.strip()) >= _LONG_ENOUGH_FOR_BASE64 and _BASE64.fullmatch(text) is not None


def _lacks_line_ends(body: bytes) -> bool:
    """Whether a body has so many bytes that two values out of 256 cannot be absent by chance."""
    return len(body) > _A_FEW_LINES and b"\n" not in body and b"\r" not in body


def _photo_at(url: str) -> Photo:
    """The photo at a URL, or in it: RFC 2397."""
    if _DATA_URL.match(url):
        return Photo(image=_image_in(url))
    url = url.strip()
    if _is_base64(url):
        raise MalformedRequestError('The URL is base64. Send it as JSON: {"image": "<base64>"}.')
    return Photo(url=url)


def _image_in(text: str) -> bytes:
    if _DATA_URL.match(text):
        media_type, _, text = text.partition(",")
        data = _unescaped(_ascii(text))
        return _from_base64(data) if media_type.lower().endswith(";base64") else data
    if "://" in text.lstrip()[:10]:
        raise MalformedRequestError('The image is a URL. Send it as JSON: {"url": "..."}.')
    return _from_base64(_ascii(text))


def _ascii(text: str) -> bytes:
    try:
        return text.strip().encode("ascii")
    except UnicodeEncodeError as error:
        raise MalformedRequestError("The image is text beyond ASCII. Send the file's bytes as base64.") from error


def _unescaped(data: bytes) -> bytes:
    """Without percent-encoding. `urllib.parse.unquote_to_bytes` takes seconds and gigabytes for megabytes of "%"."""
    # Quoted-printable has the same escapes behind another sign.
    return binascii.a2b_qp(data.replace(b"=", b"=3D").replace(b"%", b"=")) if b"%" in data else data


def _from_base64(text: bytes) -> bytes:
    """The bytes of base64 in either alphabet, padded or not, in one line or several (RFC 4648, sections 4 and 5)."""
    digits = text.translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True)
    except ValueError as error:
        raise MalformedRequestError("The image is not valid base64. Encode the file's bytes.") from error


def _json(body: bytes) -> Any:
    if body.count(b",") > _MAX_COMMAS:
        raise MalformedRequestError(f"The JSON has more than {_MAX_COMMAS:,} commas. Send one photo, and nothing else.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError("The body is not valid JSON. Check its quotes and brackets.") from error


def _decompressed(request: Request, max_bytes: int) -> bytes:
    header = request.headers.get("content-encoding", "")
    if not header:
        return request.body
    from serve import inflate  # here: few requests need it

    limit = 2 * max_bytes  # base64 in JSON takes a third more than the photo, and a form a little
    try:
        body = inflate.decoded(request.body, inflate.coding_of(header), limit)
    except inflate.UnknownCodingError as error:
        raise UnsupportedImageTypeError(
            f"The service does not undo the Content-Encoding {error}. Send the body uncompressed, or with gzip."
        ) from error
    except ValueError as error:
        raise MalformedRequestError(
            "The body does not match its Content-Encoding. Compress it so, or drop the header."
        ) from error
    if len(body) > limit:
        raise ImageTooLargeError.over(max_bytes)
    return body
