"""From octets to Data. Every step consumes octets or stops; see ``bijlighar.dlms.limits`` for the bounds."""

from __future__ import annotations

from collections.abc import Callable

from bijlighar.dlms.axdr.encoding import FIXED, FIXED_OCTETS
from bijlighar.dlms.axdr.lengths import read_length
from bijlighar.dlms.axdr.values import REFUSED_TAGS, Data, Tag, Value
from bijlighar.dlms.errors import Malformed, TooLarge, Truncated
from bijlighar.dlms.limits import MAX_DEPTH, MAX_ELEMENTS, MAX_VALUE_OCTETS

_TAG_OF = {int(tag): tag for tag in Tag}
_NUMBERS = {tag: (form.unpack_from, form.size) for tag, form in FIXED.items()}
_NULL = Data(Tag.NULL_DATA, None)


def decode(octets: bytes) -> Data:
    """The one value that fills ``octets``. Raises RemoteProtocolError: Malformed, Truncated, TooLarge."""
    data, end = decode_from(octets, 0)
    if end != len(octets):
        raise Malformed(f"{len(octets) - end} octets follow the value")
    return data


def decode_from(octets: bytes, offset: int) -> tuple[Data, int]:
    """The value that begins at ``offset``, and the offset behind it. Raises as ``decode``."""
    if len(octets) - offset > MAX_VALUE_OCTETS:
        raise TooLarge(f"a value of more than {MAX_VALUE_OCTETS} octets")
    reader = _Reader(octets if isinstance(octets, bytes) else bytes(octets), offset)
    return reader.value(0), reader.offset


class _Reader:
    """A position in octets, and how many more values may still be made."""

    __slots__ = ("budget", "octets", "offset")

    def __init__(self, octets: bytes, offset: int) -> None:
        self.octets = octets
        self.offset = offset
        self.budget = MAX_ELEMENTS

    def tag(self) -> Tag:
        try:
            octet = self.octets[self.offset]
        except IndexError:
            raise Truncated("the octets end where a tag should stand") from None
        tag = _TAG_OF.get(octet)
        if tag is None:
            raise Malformed(f"type {REFUSED_TAGS.get(octet, octet)} is not supported")
        self.offset += 1
        return tag

    def take(self, size: int) -> bytes:
        behind = self.offset + size
        if behind > len(self.octets):
            raise Truncated(f"{size} octets were announced, {len(self.octets) - self.offset} are there")
        taken = self.octets[self.offset : behind]
        self.offset = behind
        return taken

    def length(self) -> int:
        length, self.offset = read_length(self.octets, self.offset)
        return length

    def spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise TooLarge(f"more than {MAX_ELEMENTS} values")

    def value(self, depth: int) -> Data:
        tag = self.tag()
        if tag is Tag.STRUCTURE or tag is Tag.ARRAY:
            self.spend()
            return Data(tag, self._elements(_deeper(depth)))
        if tag is Tag.COMPACT_ARRAY:
            self.spend()
            return Data(tag, _compact_elements(self, _deeper(depth)))
        return self.scalar(tag)

    def _elements(self, depth: int) -> tuple[Data, ...]:
        count = self.length()
        if count > len(self.octets) - self.offset:
            raise Truncated(f"{count} elements were announced in {len(self.octets) - self.offset} octets")
        value = self.value
        return tuple([value(depth) for _ in range(count)])

    def scalar(self, tag: Tag) -> Data:
        """The contents of a value that holds no others."""
        self.spend()
        if tag is Tag.NULL_DATA:
            return _NULL
        number = _NUMBERS.get(tag)
        if number is None:
            return Data(tag, _STRINGS[tag](self))
        unpack_from, size = number
        behind = self.offset + size
        if behind > len(self.octets):
            raise Truncated(f"the octets end within a {tag.name}")
        data = Data(tag, unpack_from(self.octets, self.offset)[0])
        self.offset = behind
        return data


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise TooLarge(f"values nest deeper than {MAX_DEPTH}")
    return depth + 1


def _bit_string(reader: _Reader) -> str:
    length = reader.length()
    size = (length + 7) // 8
    packed = int.from_bytes(reader.take(size), "big") >> (8 * size - length)
    return format(packed, f"0{length}b") if length else ""


def _octet_string(reader: _Reader) -> bytes:
    return reader.take(reader.length())


def _visible_string(reader: _Reader) -> str:
    return reader.take(reader.length()).decode("latin-1")


def _utf8_string(reader: _Reader) -> str:
    try:
        return reader.take(reader.length()).decode()
    except UnicodeDecodeError:
        raise Malformed("a UTF-8 string is not UTF-8") from None


def _sized(size: int) -> Callable[[_Reader], bytes]:
    return lambda reader: reader.take(size)


_STRINGS: dict[Tag, Callable[[_Reader], Value]] = {
    Tag.BIT_STRING: _bit_string,
    Tag.OCTET_STRING: _octet_string,
    Tag.VISIBLE_STRING: _visible_string,
    Tag.UTF8_STRING: _utf8_string,
    **{tag: _sized(size) for tag, size in FIXED_OCTETS.items()},
}

_Description = tuple[Tag, int, tuple["_Description", ...]]
"""Tag, number of elements (arrays), descriptions of the elements (one for an array, each for a structure)."""


def _compact_elements(reader: _Reader, depth: int) -> tuple[Data, ...]:
    description = _description(reader, depth)
    size = reader.length()
    end = reader.offset + size
    if end > len(reader.octets):
        raise Truncated(f"{size} octets of a compact-array were announced, fewer are there")
    elements = []
    while reader.offset < end:
        elements.append(_consuming(reader, description))
    if reader.offset != end:
        raise Malformed("the last element of a compact-array reaches beyond it")
    return tuple(elements)


def _description(reader: _Reader, depth: int) -> _Description:
    reader.spend()
    tag = reader.tag()
    if tag is Tag.COMPACT_ARRAY:
        raise Malformed("a compact-array within a compact-array")
    if tag is Tag.ARRAY:
        count = int.from_bytes(reader.take(2), "big")
        return tag, count, (_description(reader, _deeper(depth)),)
    if tag is Tag.STRUCTURE:
        count, inner = reader.length(), _deeper(depth)
        if count > len(reader.octets) - reader.offset:
            raise Truncated(f"a description of {count} elements in {len(reader.octets) - reader.offset} octets")
        return tag, count, tuple([_description(reader, inner) for _ in range(count)])
    return tag, 0, ()


def _contents(reader: _Reader, description: _Description) -> Data:
    tag, count, inner = description
    if tag is Tag.STRUCTURE:
        reader.spend()
        return Data(tag, tuple([_contents(reader, element) for element in inner]))
    if tag is Tag.ARRAY:
        reader.spend()
        return Data(tag, tuple([_consuming(reader, inner[0]) for _ in range(count)]))
    return reader.scalar(tag)


def _consuming(reader: _Reader, description: _Description) -> Data:
    """Contents that take at least an octet: 65,535 of those that take none would fit into nothing."""
    before = reader.offset
    data = _contents(reader, description)
    if reader.offset == before:
        raise Malformed("the elements of a compact-array consume no octets")
    return data
