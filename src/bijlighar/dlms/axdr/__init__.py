"""A-XDR, the octets of every COSEM value (IEC 61334-6; types of the Data choice in IEC 62056-6-2).

``Data`` is one typed value; ``encode`` and ``decode`` turn it into octets and back; the small constructors are
named after the width, as in ``u16(230)``. Delta types are refused by name. No input makes a loop run without
consuming octets: depth, count, length and total size are bounded by ``bijlighar.dlms.limits``.
"""

from bijlighar.dlms.axdr.decoding import decode, decode_from
from bijlighar.dlms.axdr.encoding import encode
from bijlighar.dlms.axdr.lengths import encode_length, read_length
from bijlighar.dlms.axdr.values import (
    Data,
    Plain,
    Tag,
    Value,
    array,
    bcd,
    bits,
    boolean,
    compact_array,
    date_octets,
    datetime_octets,
    enum,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    null,
    octets,
    plain,
    structure,
    time_octets,
    u8,
    u16,
    u32,
    u64,
    utf8,
    visible,
)

__all__ = [
    "Data",
    "Plain",
    "Tag",
    "Value",
    "array",
    "bcd",
    "bits",
    "boolean",
    "compact_array",
    "date_octets",
    "datetime_octets",
    "decode",
    "decode_from",
    "encode",
    "encode_length",
    "enum",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "null",
    "octets",
    "plain",
    "read_length",
    "structure",
    "time_octets",
    "u8",
    "u16",
    "u32",
    "u64",
    "utf8",
    "visible",
]
