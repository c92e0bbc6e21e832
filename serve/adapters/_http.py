"""What the adapters of HTTP events share: reading an event's members, and the form of the answer."""

import binascii
from typing import Any

from serve.errors import MalformedRequestError
from serve.http import Response


def text(value: Any) -> str:
    """The value if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def last_values(multiple: Any, single: Any) -> dict[str, str]:
    """The last value of each name, from lists of values where the event has them."""
    if isinstance(multiple, dict) and multiple:
        return {name: text(values[-1]) for name, values in multiple.items() if isinstance(values, list) and values}
    return {name: text(value) for name, value in single.items()} if isinstance(single, dict) else {}


def lower_names(headers: Any) -> dict[str, str]:
    """Headers by their names in lower case: names have no case (RFC 9110, section 5.1)."""
    return {name.lower(): text(value) for name, value in headers.items()} if isinstance(headers, dict) else {}


def body(event: dict[str, Any]) -> bytes:
    """The bytes that the client sent.

    Raises:
        MalformedRequestError: the event marks the body as base64, and it is not; or the body is not Unicode text.
    """
    content = text(event.get("body"))
    if event.get("isBase64Encoded") is not True and "\ufffd" in content and content.lstrip()[:1] not in ("{", "["):
        # API Gateway and load balancers put U+FFFD for each byte that is not UTF-8.
        raise MalformedRequestError(
            "The bytes of the image were lost on the way: the API handed the body on as text. Send the image as base64 "
            'in JSON, {"image": "<base64>"}, or set the binaryMediaTypes of the API to */*.'
        )
    try:
        if event.get("isBase64Encoded") is True:
            return binascii.a2b_base64(content, strict_mode=True)  # base64.b64decode would copy the text first
        return content.encode()
    except (binascii.Error, ValueError) as error:  # UnicodeEncodeError, for a lone surrogate, is a ValueError
        raise MalformedRequestError(
            "The body is not what its event declares: with isBase64Encoded it must be base64, else Unicode text."
        ) from error


def envelope(response: Response) -> dict[str, Any]:
    """The response in the form that API Gateway, Function URLs and load balancers take."""
    return {
        "statusCode": response.status,
        "headers": response.headers,
        "body": response.body,
        "isBase64Encoded": False,
    }
