"""An HTTP request -> the event that an HTTP API of API Gateway sends for it (payload format 2.0).

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

import base64
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request

from serve.invocation import Invocation

# API Gateway passes these on as text, everything else as base64.
_TEXT_TYPES: Final = frozenset({"application/json", "application/javascript", "application/xml"})


def event_of(request: Request, body: bytes | bytearray, invocation: Invocation) -> dict[str, Any]:
    """The event: header names in lower case, several values of one header joined with commas, cookies apart."""
    scope = request.scope
    headers = {name: ",".join(request.headers.getlist(name)) for name in dict.fromkeys(request.headers.keys())}
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    # Still percent-encoded: the app decodes it.
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": headers,
        **({"cookies": cookies} if cookies else {}),
        "requestContext": _context(request, path, headers, invocation.request_id),
        "isBase64Encoded": False,
        **_body_members(headers.get("content-type", ""), body),
    }


def _context(request: Request, path: str, headers: dict[str, str], request_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "accountId": "anonymous",
        "apiId": "local",
        "domainName": headers.get("host", ""),
        "http": {
            "method": request.method,
            "path": path,
            "protocol": f"HTTP/{request.scope['http_version']}",
            "sourceIp": request.client.host if request.client else "",
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _body_members(content_type: str, body: bytes | bytearray) -> dict[str, Any]:
    if not body:
        return {}
    if is_text(content_type):
        try:
            return {"body": body.decode()}
        except UnicodeDecodeError:
            pass  # not text: base64 loses nothing
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def is_text(content_type: str) -> bool:
    """Whether API Gateway passes a body of this Content-Type on as text."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES
