"""Boxes and tables of items, in the ways that phones and libraries write them."""

import struct

import pytest

from serve.errors import UndecodableImageError
from serve.model.formats import MAX_PARTS
from serve.model.formats.boxes import Meta, Property, boxes, written


def box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def meta(**tables: bytes) -> bytes:
    """A file with the tables that are given, and the others empty."""
    empty = {"pitm": bytes(6), "iinf": bytes(6), "iloc": bytes(8), "iprp": b""}
    contents = (box(kind.encode(), content) for kind, content in (empty | tables).items())
    return box(b"ftyp", b"heic") + box(b"meta", bytes(4), *contents)


def test_lengths_of_all_kinds() -> None:
    long = struct.pack(">I4sQ", 1, b"wide", 19) + b"abc"
    data = box(b"free") + long + struct.pack(">I4s", 0, b"last") + b"rest"
    assert [(kind, bytes(content)) for kind, content in boxes(memoryview(data))] == [
        (b"free", b""), (b"wide", b"abc"), (b"last", b"rest")
    ]  # fmt: skip


@pytest.mark.parametrize("data", [struct.pack(">I4s", 7, b"tiny"), struct.pack(">I4s", 9, b"long")])
def test_a_box_ends_where_it_can(data: bytes) -> None:
    with pytest.raises(ValueError, match="outside"):
        list(boxes(memoryview(data)))


def test_items_are_found_in_the_file_and_in_the_meta_box() -> None:
    """Version 1 of the table, as phones write it: the layout of a grid stands in idat."""
    entries = struct.pack(">HHHHII", 1, 1, 0, 1, 2, 3) + struct.pack(">HHHHII", 2, 0, 0, 1, 4, 4)
    table = b"\1\0\0\0\x44\0" + struct.pack(">H", 2) + entries
    found = Meta(meta(iloc=table, idat=b"..xyz.."))
    assert (found.data(1), found.data(2)) == (b"xyz", b"ftyp")


def test_items_in_pieces_with_a_base_and_without_a_length() -> None:
    """Version 0 of the table: 4 bytes of offset, none of length, 8 of base; a piece without a length has all."""
    pieces = b"\0\0\0\0\x40\x80" + struct.pack(">HHHQHII", 1, 7, 0, 4, 2, 0, 4)
    data = meta(iloc=pieces)
    with pytest.raises(ValueError, match="more bytes than the file"):
        Meta(data).data(7)
    one = b"\0\0\0\0\x40\x80" + struct.pack(">HHHQHI", 1, 7, 0, 4, 1, 4)
    data = meta(iloc=one)
    assert Meta(data).data(7) == data[8:]


def test_an_item_outside_of_the_file_is_an_error() -> None:
    table = b"\0\0\0\0\x44\0" + struct.pack(">HHHHII", 1, 1, 0, 1, 10_000, 5)
    with pytest.raises(ValueError, match="outside"):
        Meta(meta(iloc=table)).data(1)


@pytest.mark.parametrize(
    "tables",
    [
        {"iloc": b"\2\0\0\0\x44\0" + struct.pack(">I", 1 << 31)},
        {"iprp": box(b"ipma", bytes(4), struct.pack(">I", 1 << 31))},
        {"iprp": box(b"ipma", bytes(4), struct.pack(">I", MAX_PARTS // 2), bytes(3 * (MAX_PARTS // 2))) * 3},
        {"iprp": box(b"ipco", box(b"free") * (MAX_PARTS + 1))},
        {"iprp": box(b"ipco", box(b"free") * (MAX_PARTS // 2)) * 3},
        {"iinf": bytes(6) + box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 1, 0, b"hvc1")) * (MAX_PARTS + 1)},
        {"iref": bytes(4) + box(b"dimg", struct.pack(">HH", 1, 65_535), bytes(131_070)) * 2},
    ],
    ids=["places", "uses of properties", "several uses", "properties", "several properties", "items", "references"],
)
def test_no_table_is_longer_than_photos_have_it(tables: dict[str, bytes]) -> None:
    with pytest.raises(UndecodableImageError, match="too many parts"):
        Meta(meta(**tables))


def test_a_property_that_is_not_there_is_an_error() -> None:
    uses = box(b"ipma", bytes(4), struct.pack(">IHBB", 1, 1, 1, 2))
    with pytest.raises(IndexError):
        Meta(meta(iprp=box(b"ipco", box(b"ispe")) + uses))


def test_what_is_written_is_read() -> None:
    size = Property(essential=True, kind=b"ispe", content=memoryview(b"12345678"))
    turn = Property(essential=False, kind=b"irot", content=memoryview(b"\1"))
    items = {70_000: (b"grid", [turn, size], b"layout"), 3: (b"hvc1", [size], b"coded")}
    found = Meta(written(b"heic", 70_000, items, [(b"dimg", 70_000, [3, 3]), (b"auxl", 3, [70_000])]))
    assert (found.primary, found.kinds) == (70_000, {70_000: b"grid", 3: b"hvc1"})
    assert (found.data(70_000), found.data(3)) == (b"layout", b"coded")
    assert found.properties(70_000) == [turn, size]
    assert found.references(b"dimg", 70_000) == [3, 3]
    assert found.referring(b"auxl", 70_000) == [3]
