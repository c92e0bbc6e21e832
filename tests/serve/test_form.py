"""Multipart forms, and what clients do to them."""

import pytest

from serve.errors import ImageTooLargeError, MalformedRequestError
from serve.form import Form, read

TYPE = "multipart/form-data; boundary=edge"
PHOTO = b"\xff\xd8\xff\r\n--edg\r\n photo"


def form(*parts: tuple[str, bytes], disposition: bytes = b'filename="x.jpg"') -> bytes:
    body = b""
    for name, content in parts:
        body += b'--edge\r\nContent-Disposition: form-data; name="%s"; %s\r\n\r\n' % (name.encode(), disposition)
        body += content + b"\r\n"
    return body + b"--edge--\r\n"


def words(body: bytes, content_type: str = TYPE) -> str:
    with pytest.raises(MalformedRequestError) as problem:
        read(body, content_type, 1000)
    return problem.value.detail


@pytest.mark.parametrize(
    "disposition",
    [
        b'filename="x.jpg"',
        b"filename=x.jpg",
        b'filename="K\xe4tzchen.jpg"',  # Latin-1
        'filename="Kätzchen.jpg"'.encode(),
        b"filename*=UTF-8''K%C3%A4tzchen.jpg",
        b'filename="' + b"x" * 5000 + b'"',
        b'filename="\xff\xfe"',
        b"",
    ],
)
def test_the_name_of_the_file_does_not_matter(disposition: bytes) -> None:
    assert read(form(("file", PHOTO), disposition=disposition), TYPE, 1000).file == PHOTO


@pytest.mark.parametrize("content_type", [TYPE, 'multipart/form-data; boundary="edge"', TYPE + "; charset=utf-8"])
def test_other_parts_do_not_matter(content_type: str) -> None:
    body = b"a preamble\r\n" + form(("note", b"hello"), ("file", PHOTO), ("more", b"")) + b"an epilogue"
    assert read(body, content_type, 1000).file == PHOTO


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; charset=utf-8", TYPE[:-4]])
def test_a_header_without_a_boundary_is_the_clients_to_set(content_type: str) -> None:
    assert "no boundary" in words(form(("file", PHOTO)), content_type)


def test_a_boundary_of_another_form() -> None:
    assert "does not have the boundary" in words(form(("file", PHOTO)), "multipart/form-data; boundary=other")
    assert "does not have the boundary" in words(PHOTO)
    assert "does not have the boundary" in words(PHOTO, 'multipart/form-data; boundary="\ud800"')  # as JSON may have it


def test_lines_that_end_with_lf() -> None:
    assert "CRLF" in words(form(("file", b"photo")).replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("missing", [4, 10, 30])
def test_a_form_that_is_cut_off(missing: int) -> None:
    assert "cut off" in words(form(("file", PHOTO * 10))[:-missing])


def test_too_many_parts() -> None:
    assert read(form(*[("note", b"x")] * 15, ("file", PHOTO)), TYPE, 1000).file == PHOTO
    assert "more than 16 parts" in words(form(*[("note", b"x")] * 16, ("file", PHOTO)))


def test_the_last_part_named_explain_counts() -> None:
    assert read(form(("file", PHOTO)), TYPE, 1000) == Form(PHOTO, "false")
    parts = [("explain", b"false"), ("file", PHOTO), ("explain", b"true")]
    assert read(form(*parts), TYPE, 1000) == Form(PHOTO, "true")
    assert read(form(*parts, ("explain", b"\xff")), TYPE, 1000) == Form(PHOTO, "ÿ")


def test_no_file_chosen() -> None:
    assert "Choose a file" in words(form(("file", b""), disposition=b'filename=""'))


def test_no_file_or_several() -> None:
    assert 'no part named "file"' in words(form(("photo", PHOTO)))
    assert 'no part named "file"' in words(form())
    assert "2 parts" in words(form(("file", PHOTO), ("file", PHOTO)))


@pytest.mark.parametrize(
    "body",
    [
        b"--edge\r\n\r\nphoto\r\n--edge--\r\n",
        b"--edge\r\nContent-Disposition: attachment\r\n\r\nphoto\r\n--edge--\r\n",
        b"--edge\r\nno colon\r\n\r\nphoto\r\n--edge--\r\n",
        b"--edgex\r\n\r\nphoto\r\n--edge--\r\n",
    ],
)
def test_any_other_mistake(body: bytes) -> None:
    assert words(body)


def test_the_limit_is_on_the_photo() -> None:
    assert read(form(("file", PHOTO)), TYPE, len(PHOTO)).file == PHOTO
    with pytest.raises(ImageTooLargeError):
        read(form(("file", PHOTO)), TYPE, len(PHOTO) - 1)


def test_each_mistake_has_its_own_words() -> None:
    photo = form(("file", PHOTO))
    details = [
        words(photo, "multipart/form-data"),
        words(photo, "multipart/form-data; boundary=other"),
        words(photo.replace(b"\r\n", b"\n")),
        words(photo[:-4]),
        words(form(*[("note", b"x")] * 17)),
        words(form(("file", b""))),
        words(form(("photo", PHOTO))),
        words(b"--edge\r\nno colon\r\n\r\nphoto\r\n--edge--\r\n"),
    ]
    assert len(set(details)) == len(details)
