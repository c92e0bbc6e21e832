"""Content codings, of uploads and of fetched photos."""

import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.inflate import UnknownCodingError, coding_of, decoded, inflated


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, raw_deflate])
@given(data=st.binary(max_size=500), spare=st.integers(-2, 2))
def test_what_was_compressed_comes_back_up_to_the_cap(compress: object, data: bytes, spare: int) -> None:
    cap = max(0, len(data) + spare)
    assert callable(compress)
    encoding = "gzip" if compress is gzip.compress else "deflate"
    assert inflated(compress(data), encoding, cap) == data[: cap + 1]


def test_gzip_may_have_members_and_something_behind_them() -> None:
    assert inflated(gzip.compress(b"a") + gzip.compress(b"b") + bytes(9), "gzip", 10) == b"ab"
    assert inflated(gzip.compress(b"a") * 99, "gzip", 10_000) == b"a" * 99


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1f\x8b", gzip.compress(bytes(100))[:-9], gzip.compress(b"a") + gzip.compress(b"b")[:5]],
    ids=["empty", "magic", "member", "second member"],  # not by their bytes, which hold the time
)
def test_what_ends_early_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="ends early"):
        inflated(data, "gzip", 1000)


def test_a_thousand_empty_members_are_an_error() -> None:
    with pytest.raises(ValueError, match="members"):
        inflated(gzip.compress(b"") * 1000, "gzip", 1000)


@pytest.mark.parametrize("kept", range(8))
def test_a_gzip_stream_may_lack_its_checksum(kept: int) -> None:
    for content in (b"", b"photo", bytes(range(256)) * 300):
        without = gzip.compress(content)[:-8]
        assert inflated(without + gzip.compress(content)[-8:][:kept], "gzip", 100_000) == content


@pytest.mark.parametrize("kept", range(4))
def test_a_deflate_stream_may_lack_its_checksum(kept: int) -> None:
    whole = zlib.compress(b"photo" * 100)
    assert inflated(whole[: len(whole) - 4 + kept], "deflate", 1000) == b"photo" * 100


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_a_stream_that_lacks_a_byte_of_its_content_is_an_error(content: bytes, data: st.DataObject) -> None:
    whole = gzip.compress(content)
    cut = data.draw(st.integers(1, len(whole) - 9))
    with pytest.raises(ValueError, match="ends early"):
        inflated(whole[:cut], "gzip", 10_000)


@pytest.mark.parametrize(
    ("header", "applied"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        (" GZip ,", "gzip"),
        ("aws-chunked", ""),
        ("gzip, aws-chunked", "gzip"),
        ("base64", ""),
        ("utf-8", ""),
        ("none", ""),
        ("identity, x-gzip", "x-gzip"),
    ],
)
def test_words_that_are_no_coding_are_passed_over(header: str, applied: str) -> None:
    assert coding_of(header) == applied


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, br", "compress"])
def test_a_coding_that_nothing_here_undoes_is_named(header: str) -> None:
    with pytest.raises(UnknownCodingError, match=f"^{header.rpartition(', ')[2]}$"):
        coding_of(header)


@pytest.mark.parametrize("header", ["deflate, gzip", "gzip, gzip", "deflate, gzip, identity, x-gzip"])
def test_of_several_codings_none_is_undone(header: str) -> None:
    """116 kB in three layers took 1.7 s."""
    with pytest.raises(UnknownCodingError, match=r"^(deflate|gzip), gzip$"):
        coding_of(header)


def test_a_body_without_a_coding_is_as_it_was() -> None:
    assert decoded(bytearray(b"photo"), "", 1) == b"photo"
    assert decoded(zlib.compress(b"photo"), "deflate", 100) == b"photo"
    with pytest.raises(ValueError, match="header"):
        decoded(b"photo", "gzip", 100)


def test_what_follows_a_member_and_what_was_found_is_not_copied_for_each() -> None:
    """20 kB, compressed twice more, took 3.6 s when layers were undone."""
    data = gzip.compress(b"a" * 5_000_000) + gzip.compress(b"b") * 50 + gzip.compress(bytes(5_000_000))
    assert inflated(data, "gzip", 20_000_000) == b"a" * 5_000_000 + b"b" * 50 + bytes(5_000_000)
    tracemalloc.start()
    try:
        assert len(decoded(data, "gzip", 20_000_000)) == 10_000_050
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_a_body_of_empty_blocks_is_refused() -> None:
    """11 MB of them took 0.5 s, and held nothing."""
    photo, empty = zlib.compressobj(wbits=-15), b"\0\0\0\xff\xff"
    data = photo.compress(b"photo") + photo.flush()
    assert inflated(empty * 10_000 + data, "deflate", 1_000_000) == b"photo"
    with pytest.raises(ValueError, match="larger than its content"):
        inflated(empty * 30_000 + data, "deflate", 1_000_000)


def test_members_end_wherever_blocks_do() -> None:
    noise = random.Random(1).randbytes(70_000)
    for cut in range(0, 40, 3):
        first = gzip.compress(noise[: 65_536 - 23 - cut], 0)
        assert inflated(first + gzip.compress(noise), "gzip", 1_000_000) == noise[: 65_536 - 23 - cut] + noise
