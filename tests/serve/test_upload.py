import base64
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from serve.errors import ImageTooLargeError, MalformedRequestError, UnsupportedImageTypeError
from serve.http import Request
from serve.upload import Photo, photo_in

LIMIT = 100_000


def post(body: bytes = b"", content_type: str | None = None, *, coding: str = "", **query: str) -> Request:
    headers = {} if content_type is None else {"content-type": content_type}
    headers |= {"content-encoding": coding} if coding else {}
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


def test_each_form_can_ask_for_an_explanation(cat_jpeg: bytes) -> None:
    url, encoded = "https://example.org/cat.jpg", base64.b64encode(cat_jpeg).decode()
    in_form = form([("explain", b"true"), ("file", cat_jpeg)])
    for request, expected in (
        (post(url=url, explain="true"), Photo(url=url, explain=True)),
        (post(url=url, explain="false"), Photo(url=url)),
        (in_json(url=url, explain=True), Photo(url=url, explain=True)),
        (in_json(image=encoded, explain=True), Photo(image=cat_jpeg, explain=True)),
        (in_json(image=encoded, explain=False), Photo(image=cat_jpeg)),
        (post(cat_jpeg, "image/jpeg", explain="true"), Photo(image=cat_jpeg, explain=True)),
        (post(in_form, FORM), Photo(image=cat_jpeg, explain=True)),
        (post(form([("file", cat_jpeg)]), FORM, explain="true"), Photo(image=cat_jpeg, explain=True)),
    ):
        assert photo_in(request, LIMIT) == expected


@pytest.mark.parametrize(
    "request_",
    [
        post(),
        post(url="https://example.org/", explain="yes"),
        post(b"photo", "image/jpeg", explain=""),
        post(b'{"url": "https://example.org/", "explain": "true"}', "application/json"),
        post(b'{"url": "https://example.org/", "explain": 1}', "application/json"),
        post(form([("file", b"x"), ("explain", b"True")]), FORM),
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


def in_json(**members: str | bool) -> Request:
    return post(json.dumps(members).encode(), "application/json")


def words(request: Request) -> str:
    with pytest.raises((MalformedRequestError, UnsupportedImageTypeError)) as problem:
        photo_in(request, LIMIT)
    return problem.value.detail


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_base64_in_any_spelling_is_the_same_photo(cat_jpeg: bytes, cut: int) -> None:
    photo = cat_jpeg[: len(cat_jpeg) - cut]
    standard = base64.b64encode(photo).decode()
    for text in (
        standard,
        standard.rstrip("="),
        base64.urlsafe_b64encode(photo).decode(),
        base64.urlsafe_b64encode(photo).decode().rstrip("="),
        base64.encodebytes(photo).decode(),
        base64.encodebytes(photo).decode().replace("\n", "\r\n"),
        f"  {standard}\n",
        f"data:image/jpeg;base64,{standard}",
        f"DATA:image/jpeg;name=cat.jpg;BASE64,{standard}",
        f"data:;base64,{quote(standard)}",
        f"data:image/jpeg,{quote(photo)}",
        f"data:image/jpeg;name=Kätzchen.jpg;base64,{standard}",
        f"\u3000{standard}\u00a0",
        f"\x1fdata:;base64,{standard}\u2028",
    ):
        assert photo_in(in_json(image=text), LIMIT) == Photo(image=photo)


def test_a_data_url_is_a_photo_wherever_a_url_is_taken(cat_jpeg: bytes) -> None:
    url = "data:image/jpeg;base64," + base64.b64encode(cat_jpeg).decode()
    assert photo_in(in_json(url=url), LIMIT) == Photo(image=cat_jpeg)
    assert photo_in(in_json(url=f" {url}\n"), LIMIT) == Photo(image=cat_jpeg)
    assert photo_in(post(url=url), LIMIT) == Photo(image=cat_jpeg)
    assert "+" in url
    assert photo_in(post(url=f" {url.replace('+', ' ')}\n"), LIMIT) == Photo(image=cat_jpeg)  # not percent-encoded
    assert photo_in(post(url="data:image/jpeg,a b"), LIMIT) == Photo(image=b"a b")
    with pytest.raises(ImageTooLargeError):
        photo_in(in_json(url=url), len(cat_jpeg) - 1)


def test_a_photo_in_the_wrong_member_is_told_the_right_one(cat_jpeg: bytes) -> None:
    encoded = base64.b64encode(cat_jpeg).decode()
    assert '{"image": ' in words(in_json(url=encoded))
    assert '{"image": ' in words(post(url=base64.urlsafe_b64encode(cat_jpeg).decode()))
    assert '{"url": ' in words(in_json(image="https://example.org/cat.jpg"))


@pytest.mark.parametrize("media_type", ["", "application/json"])
def test_json_may_begin_with_a_byte_order_mark(media_type: str) -> None:
    body = json.dumps({"url": "https://example.org/cat.jpg"}).encode("utf-8-sig")
    assert photo_in(post(body, media_type), LIMIT) == Photo(url="https://example.org/cat.jpg")


def test_blanks_around_json_are_no_base64() -> None:
    body = b" " * 5000 + json.dumps({"url": "https://example.org/cat.jpg"}).encode() + b"\n"
    assert photo_in(post(body, "application/json"), LIMIT) == Photo(url="https://example.org/cat.jpg")


def test_blanks_around_a_url_are_dropped() -> None:
    assert photo_in(in_json(url=" https://example.org/cat.jpg\n"), LIMIT) == Photo(url="https://example.org/cat.jpg")
    assert "non-empty" in words(in_json(url="  "))


def test_a_query_that_cuts_the_url_of_the_photo_off_is_no_photo() -> None:
    assert "%26" in words(post(url="https://example.org/cat.jpg?width=100", height="100"))


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("utf-8", bytes),
        ("aws-chunked", bytes),
    ],
)
def test_a_compressed_body_is_decompressed(cat_jpeg: bytes, coding: str, compress: Callable[[bytes], bytes]) -> None:
    encoded = json.dumps({"image": base64.b64encode(cat_jpeg).decode()}).encode()
    for body, content_type in (
        (cat_jpeg, "image/jpeg"),
        (encoded, "application/json"),
        (form([("file", cat_jpeg)]), FORM),
    ):
        request = post(compress(body), content_type, coding=coding)
        assert photo_in(request, LIMIT) == Photo(image=cat_jpeg)


def test_a_compressed_body_keeps_to_the_limits() -> None:
    photo = b"\xff\xd8\xff" + bytes(997)
    assert photo_in(post(gzip.compress(photo), "image/jpeg", coding="gzip"), 1000) == Photo(image=photo)
    for body in (photo + b"x", bytes(50_000_000)):
        with pytest.raises(ImageTooLargeError):
            photo_in(post(gzip.compress(body), "image/jpeg", coding="gzip"), 1000)


def test_a_coding_that_does_not_fit_has_its_own_words(cat_jpeg: bytes) -> None:
    assert "does not match" in words(post(cat_jpeg, "image/jpeg", coding="gzip"))
    assert "does not match" in words(post(gzip.compress(cat_jpeg)[:-100], "image/jpeg", coding="gzip"))
    assert "br" in words(post(cat_jpeg, "image/jpeg", coding="br"))


def test_a_file_that_curl_has_taken_the_line_ends_from(cat_jpeg: bytes) -> None:
    stripped = cat_jpeg.replace(b"\r", b"").replace(b"\n", b"")
    assert "--data-binary" in words(post(stripped, "application/x-www-form-urlencoded"))


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain", "application/octet-stream", None])
def test_a_body_of_base64_is_told_its_place(cat_jpeg: bytes, content_type: str | None) -> None:
    for body in (base64.b64encode(cat_jpeg), base64.encodebytes(cat_jpeg), base64.urlsafe_b64encode(cat_jpeg)):
        assert '{"image": ' in words(post(body, content_type))


@pytest.mark.parametrize(
    "content",
    [
        b'{"image": "data:,' + b"%" * 9_000_000,
        b'{"image": "data:;base64,' + b"%" * 9_000_000,
        b'{"image": "' + b"AA " * 3_000_000,
    ],
    ids=["escapes", "escapes in base64", "blanks"],
)
def test_what_a_small_compressed_body_becomes_costs_what_it_weighs(content: bytes) -> None:
    """9 kB of gzip took gigabytes and seconds."""
    request = post(gzip.compress(content + b'"}'), "application/json", coding="gzip")
    tracemalloc.start()
    try:
        assert photo_in(request, 5_000_000).image is not None
        assert tracemalloc.get_traced_memory()[1] < 8 * len(content)
    finally:
        tracemalloc.stop()


def test_json_of_a_million_members_is_not_read() -> None:
    for many in ("[[]" + ",[]" * 1_000_000 + "]", "[1" + ",1" * 1001 + "]"):
        assert "1,000 commas" in words(post(f'{{"image": "x", "more": {many}}}'.encode(), "application/json"))
    assert photo_in(in_json(url="https://example.org/" + "," * 900), LIMIT).url


@pytest.mark.parametrize("text", ["data:,\ud800", " data:image/jpeg;base64,\udfff", "AAAA\ud800", "AA\U0001f600AA"])
def test_a_character_that_no_encoding_of_bytes_has_is_a_mistake_of_the_client(text: str) -> None:
    """JSON can hold half of a surrogate pair."""
    assert "beyond ASCII" in words(in_json(image=text))
    if "data:" in text:
        assert "beyond ASCII" in words(in_json(url=text))


def test_one_emoji_in_megabytes_costs_what_it_weighs() -> None:
    """It makes each character four bytes."""
    content = json.dumps({"url": " data:,%41\U0001f600" + "=" * 9_000_000}, ensure_ascii=False).encode()
    request = post(gzip.compress(content), "application/json", coding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(MalformedRequestError, match="beyond ASCII"):
            photo_in(request, 5_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(content)
    finally:
        tracemalloc.stop()


def test_escapes_beside_equals_signs() -> None:
    assert photo_in(in_json(image="data:,a=%3d%3D=b%20_c"), LIMIT) == Photo(image=b"a====b _c")
