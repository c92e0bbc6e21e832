import base64
import json

import pytest

from serve.errors import ImageTooLargeError, MalformedRequestError, UnsupportedImageTypeError
from serve.http import Request
from serve.upload import Photo, photo_in

LIMIT = 100_000


def post(body: bytes = b"", content_type: str | None = None, **query: str) -> Request:
    headers = {} if content_type is None else {"content-type": content_type}
    return Request("POST", "/predict", query, headers, body)


def form(parts: list[tuple[str, bytes]], boundary: str = "limit") -> bytes:
    body = b""
    for name, content in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="x.jpg"\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


FORM = "multipart/form-data; boundary=limit"


def test_every_form_brings_the_same_photo(cat_jpeg: bytes) -> None:
    encoded = base64.b64encode(cat_jpeg).decode()
    for request in (
        post(cat_jpeg, "image/jpeg"),
        post(cat_jpeg, "application/octet-stream"),
        post(cat_jpeg),
        post(cat_jpeg, "application/x-www-form-urlencoded"),
        post(json.dumps({"image": encoded}).encode(), "application/json; charset=utf-8"),
        post(json.dumps({"image": encoded}).encode(), "application/x-www-form-urlencoded"),
        post(json.dumps({"image": f"data:image/jpeg;base64,{encoded}"}).encode(), "application/json"),
        post(json.dumps({"image": base64.encodebytes(cat_jpeg).decode()}).encode(), "application/json"),
        post(form([("note", b"hello"), ("file", cat_jpeg)]), FORM),
    ):
        assert photo_in(request, LIMIT) == Photo(image=cat_jpeg)


def test_a_url_comes_in_the_query_or_as_json() -> None:
    url = "https://example.org/cat.jpg?size=1"
    assert photo_in(post(url=url), LIMIT) == Photo(url=url)
    assert photo_in(post(json.dumps({"url": url}).encode(), "application/json"), LIMIT) == Photo(url=url)


@pytest.mark.parametrize(
    "request_",
    [
        post(),
        post(b"", "image/jpeg"),
        post(b"body", url="https://example.org/"),
        post(b"{", "application/json"),
        post(b"[]", "application/json"),
        post(b"null", "application/json"),
        post(b"{}", "application/json"),
        post(b'{"url": "a", "image": "b"}', "application/json"),
        post(b'{"url": ""}', "application/json"),
        post(b'{"url": 1}', "application/json"),
        post(b'{"image": "?"}', "application/json"),
        post(b'{"image": "\xff"}', "application/json"),
        post(b'{"image": "\\u00e9"}', "application/json"),
        post(b"[" * 100_000, "application/json"),
        post(form([("photo", b"x")]), FORM),
        post(form([("file", b"x"), ("file", b"y")]), FORM),
        post(form([("file", b"x")])[:-20], FORM),
        post(form([("file", b"x")]), "multipart/form-data"),
        post(form([("file", b"x")]), "multipart/form-data; boundary=other"),
        post(b"\r\n" * 1000, FORM),
    ],
)
def test_what_is_no_photo_is_a_malformed_request(request_: Request) -> None:
    with pytest.raises(MalformedRequestError):
        photo_in(request_, LIMIT)


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "", None])
def test_other_types_are_refused_and_told_what_is_taken(content_type: str | None) -> None:
    with pytest.raises(UnsupportedImageTypeError, match="multipart/form-data"):
        photo_in(post(b"<html>", content_type), LIMIT)


def test_the_ceiling_is_on_the_photo_not_on_its_wrapping() -> None:
    photo = b"\xff\xd8\xff" + bytes(997)
    encoded = json.dumps({"image": base64.b64encode(photo).decode()}).encode()
    for request in (post(photo, "image/jpeg"), post(encoded, "application/json"), post(form([("file", photo)]), FORM)):
        assert photo_in(request, len(photo)) == Photo(image=photo)
        with pytest.raises(ImageTooLargeError, match="999 bytes"):
            photo_in(request, len(photo) - 1)
