"""The photo in a multipart/form-data body (RFC 7578). Few requests need it: `serve.upload` imports it for these."""

from typing import Final, NamedTuple

import multipart

from serve.errors import ImageTooLargeError, MalformedRequestError

_MAX_PARTS: Final = 16
_MAX_HEADER_BYTES: Final = 16_384

_NO_BOUNDARY: Final = (
    "The Content-Type of the form has no boundary. Do not set this header yourself: the client sets it, with the "
    "boundary, where it makes the form."
)
_OTHER_BOUNDARY: Final = (
    "The body does not have the boundary that the Content-Type names. Do not set this header yourself: the client sets "
    "it where it makes the form."
)
_LINE_ENDS: Final = "The lines of the form end with LF. End them with CRLF, as RFC 2046 asks."
_CUT_OFF: Final = "The form is cut off: it must end with its boundary and two dashes. Send it again."
_BROKEN: Final = "The form cannot be read. Send it as curl -F file=@photo.jpg does."
_TOO_MUCH: Final = f'The form has more than {_MAX_PARTS} parts, or too long a header. Send only the part named "file".'


class Form(NamedTuple):
    """The parts of a form that count.

    Attributes:
        file: the photo's bytes.
        explain: the text of the last part of this name; "false" if there is none.
    """

    file: bytes
    explain: str = "false"


def read(body: bytes, content_type: str, max_bytes: int) -> Form:
    """The parts named "file" and "explain". The name of the file does not matter, nor how it is encoded.

    Raises:
        MalformedRequestError: the form is broken, or has no such part, or several.
        ImageTooLargeError: the part has more than `max_bytes`.
    """
    boundary = multipart.parse_options_header(content_type)[1].get("boundary", "")
    _check(body, boundary)
    try:
        files, explain = _parts(body, boundary)
    except multipart.ParserLimitReached as error:
        raise MalformedRequestError(_TOO_MUCH) from error
    except (multipart.MultipartError, ValueError) as error:
        raise MalformedRequestError(_BROKEN) from error
    if len(files) != 1:
        seen = f"{len(files)} parts" if files else "no part"
        raise MalformedRequestError(f'The form has {seen} named "file". Send one photo, in a part of this name.')
    if not files[0]:
        raise MalformedRequestError('The part named "file" is empty. Choose a file.')
    if len(files[0]) > max_bytes:
        raise ImageTooLargeError.over(max_bytes)
    return Form(files[0], *(text.decode("latin-1") for text in explain[-1:]))


def _check(body: bytes, boundary: str) -> None:
    """Name the mistakes that clients make; the parser would call most of them the same."""
    if not boundary:
        raise MalformedRequestError(_NO_BOUNDARY)
    delimiter = f"--{boundary}".encode(errors="replace")
    if delimiter not in body:
        raise MalformedRequestError(_OTHER_BOUNDARY)
    if delimiter + b"\n" in body:
        raise MalformedRequestError(_LINE_ENDS)
    if delimiter + b"--" not in body:
        raise MalformedRequestError(_CUT_OFF)


def _parts(body: bytes, boundary: str) -> tuple[list[bytes], list[bytes]]:
    """The contents of the parts named "file", and of those named "explain"."""
    # Latin-1 reads any byte, so that no name of a file is an error.
    limits = {"max_segment_count": _MAX_PARTS, "max_header_size": _MAX_HEADER_BYTES}
    named: dict[str, list[bytearray]] = {"file": [], "explain": []}
    with multipart.PushMultipartParser(boundary, len(body), header_charset="latin-1", **limits) as parser:
        content = bytearray()
        for event in parser.parse(body):
            if isinstance(event, multipart.MultipartSegment):
                content = bytearray()
                named.get(event.name, []).append(content)
            elif event:
                content += event
    return [bytes(content) for content in named["file"]], [bytes(content) for content in named["explain"]]
