"""The boxes of ISO/IEC 14496-12, and the tables of items in a `meta` box."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from serve.model.formats import MAX_PARTS, PartCount, too_many_parts


class Property(NamedTuple):
    """Of an item; `essential`: who does not know it cannot show the item."""

    essential: bool
    kind: bytes
    content: memoryview


Reference = tuple[bytes, int, Sequence[int]]
"""Its kind, and the items that it leads from and to."""

_IN_FILE, _IN_META = 0, 1  # construction methods: where the offsets of an item count from


def boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The kinds and contents of the boxes in a file, or in a box.

    Raises:
        ValueError: a box is longer than what it is in.
        UndecodableImageError: they are too many.
    """
    position = 0
    for _ in range(MAX_PARTS):
        if len(data) - position < 8:
            return
        size, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, start)[0], position + 16
        end = position + size if size else len(data)
        if not start <= end <= len(data):
            raise ValueError("a box ends outside of what it is in")
        yield kind, data[start:end]
        position = end
    raise too_many_parts()


class Meta:
    """The items of a file.

    Args:
        data: the file.

    Raises:
        LookupError, ValueError, struct.error: it is broken, or has no items.
        UndecodableImageError: it consists of too many parts.
    """

    def __init__(self, data: bytes) -> None:
        self._file = memoryview(data)
        meta = next((content for kind, content in boxes(self._file) if kind == b"meta"), self._file[:0])
        tables = dict(boxes(meta[4:]))
        self._in_meta = tables.get(b"idat", self._file[:0])
        self.primary = _number(tables[b"pitm"], 4, 4 if tables[b"pitm"][0] else 2)
        self.kinds = _kinds(tables[b"iinf"])
        self._extents = _extents(tables[b"iloc"])
        self._references = _references(tables.get(b"iref", self._file[:0]))
        self._properties = _properties(tables[b"iprp"])

    def data(self, item: int) -> bytes:
        """The bytes of an item."""
        pieces = []
        for method, offset, length in self._extents[item]:
            place = {_IN_FILE: self._file, _IN_META: self._in_meta}[method]
            end = offset + length if length else len(place)
            if end > len(place):
                raise ValueError("an item ends outside of the file")
            pieces.append(place[offset:end])
        if sum(map(len, pieces)) > len(self._file):
            raise ValueError("an item has more bytes than the file")
        return b"".join(pieces)

    def properties(self, item: int) -> list[Property]:
        """The properties of an item."""
        return self._properties.get(item, [])

    def references(self, kind: bytes, item: int) -> list[int]:
        """The items that an item refers to."""
        return self._references.get((kind, item), [])

    def referring(self, kind: bytes, item: int) -> list[int]:
        """The items that refer to an item."""
        return [source for (found, source), targets in self._references.items() if found == kind and item in targets]


def _number(data: memoryview, position: int, size: int) -> int:
    if position + size > len(data):
        raise ValueError("a table ends too early")
    return int.from_bytes(data[position : position + size], "big")


def _kinds(table: memoryview) -> dict[int, bytes]:
    """The kind of each item: iinf (8.11.6)."""
    kinds = {}
    for _, entry in boxes(table[8 if table[0] else 6 :]):
        name, _, kind = struct.unpack_from(">HH4s" if entry[0] < 3 else ">IH4s", entry, 4)
        kinds[name] = kind
    return kinds


def _extents(table: memoryview) -> dict[int, list[tuple[int, int, int]]]:
    """Where the bytes of each item are, as (method, offset, length): iloc (8.11.3)."""
    version = table[0]
    offset_size, length_size, base_size = table[4] >> 4, table[4] & 15, table[5] >> 4
    index_size = table[5] & 15 if version else 0
    name_size = 4 if version == 2 else 2
    found, position = dict[int, list[tuple[int, int, int]]](), 6 + name_size
    items, pieces = PartCount(), PartCount()
    items.add(number := _number(table, 6, name_size))
    for _ in range(number):
        name = _number(table, position, name_size)
        position += name_size
        method = _number(table, position, 2) & 15 if version else _IN_FILE
        position += 4 if version else 2  # the method, and the file that the bytes are in: this one
        base, count = _number(table, position, base_size), _number(table, position + base_size, 2)
        position += base_size + 2
        pieces.add(count)
        found[name] = []
        for _ in range(count):
            offset = _number(table, position + index_size, offset_size)
            length = _number(table, position + index_size + offset_size, length_size)
            found[name].append((method, base + offset, length))
            position += index_size + offset_size + length_size
    return found


def _references(table: memoryview) -> dict[tuple[bytes, int], list[int]]:
    """What items refer to, by the reference's kind and the item that has it: iref (8.11.12)."""
    found: dict[tuple[bytes, int], list[int]] = {}
    total, letter, size = 0, *(("I", 4) if len(table) and table[0] else ("H", 2))
    for kind, content in boxes(table[4:]):
        source, count = struct.unpack_from(f">{letter}H", content)
        total += count
        targets = struct.unpack_from(f">{count}{letter}", content, size + 2)
        found.setdefault((kind, source), []).extend(targets)
        if total > 7 * MAX_PARTS:  # a grid has up to 65,536 tiles
            raise too_many_parts()
    return found


def _properties(table: memoryview) -> dict[int, list[Property]]:
    """The properties of each item: iprp (8.11.14)."""
    known: list[tuple[bytes, memoryview]] = []
    found: dict[int, list[Property]] = {}
    parts, items, uses = PartCount(), PartCount(), PartCount()
    for kind, content in boxes(table):
        if kind == b"ipco":
            known += parts.each(boxes(content))
        elif kind == b"ipma":
            name_size, index_size, position = 4 if content[0] else 2, 1 + (content[3] & 1), 8
            items.add(number := _number(content, 4, 4))
            for _ in range(number):
                name, count = _number(content, position, name_size), _number(content, position + name_size, 1)
                position += name_size + 1
                uses.add(count)
                for _ in range(count):
                    value = _number(content, position, index_size)
                    position += index_size
                    essential, index = value >> 8 * index_size - 1, value & (1 << 8 * index_size - 1) - 1
                    if index:
                        found.setdefault(name, []).append(Property(bool(essential), *known[index - 1]))
    return found


def written(
    brand: bytes,
    primary: int,
    items: Mapping[int, tuple[bytes, list[Property], bytes]],
    references: Sequence[Reference],
) -> bytes:
    """A file.

    Args:
        brand: of the file.
        primary: the item that it shows.
        items: by their names: kind, properties and bytes.
        references: between them.
    """
    types = _box(b"ftyp", brand, bytes(4), brand, b"mif1miaf")
    content = b"".join(data for _, _, data in items.values())
    meta = _meta(primary, items, references, 0)  # to know its length
    return types + _meta(primary, items, references, len(types) + len(meta) + 8) + _box(b"mdat", content)


def _meta(
    primary: int, items: Mapping[int, tuple[bytes, list[Property], bytes]], references: Sequence[Reference], offset: int
) -> bytes:
    known: dict[tuple[bytes, memoryview], int] = {}
    entries, places, uses = [], [], []
    for name, (kind, properties, data) in items.items():
        entries.append(_box(b"infe", b"\3\0\0\0", struct.pack(">IH4sx", name, 0, kind)))
        places.append(struct.pack(">IHHHII", name, _IN_FILE, 0, 1, offset, len(data)))
        indexes = [one.essential << 15 | known.setdefault(one[1:], len(known) + 1) for one in properties]
        uses.append(struct.pack(f">IB{len(properties)}H", name, len(properties), *indexes))
        offset += len(data)
    count = struct.pack(">I", len(items))
    linked = (_box(kind, struct.pack(f">IH{len(to)}I", source, len(to), *to)) for kind, source, to in references)
    return _box(
        b"meta", bytes(4),
        _box(b"hdlr", bytes(8), b"pict", bytes(13)),
        _box(b"pitm", b"\1\0\0\0", struct.pack(">I", primary)),
        _box(b"iinf", b"\1\0\0\0", count, *entries),
        _box(b"iloc", b"\2\0\0\0\x44\0", count, *places),
        _box(b"iref", b"\1\0\0\0", *linked),
        _box(b"iprp", _box(b"ipco", *(_box(*one) for one in known)), _box(b"ipma", b"\1\0\0\1", count, *uses)),
    )  # fmt: skip


def _box(kind: bytes, *content: bytes | memoryview) -> bytes:
    return b"".join([struct.pack(">I4s", 8 + sum(map(len, content)), kind), *content])
