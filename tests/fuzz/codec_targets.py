"""Every decoder of the meters' language under arbitrary octets: what comes back is right, or the peer's fault.

A target returns for any input that is decoded or refused with a RemoteProtocolError. Whatever else it raises is a
defect: an exception of another kind, a value that does not survive encoding, a cell that is another than it was.
"""

from __future__ import annotations

import math
from contextlib import suppress

from bijlighar.dlms import axdr
from bijlighar.dlms.acse import AARE, AARQ, RLRE, RLRQ, decode_aare, decode_aarq, decode_release
from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.clock import CosemInstant, DeviationSign, decode_instant
from bijlighar.dlms.datagram import decode_datagram
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError
from bijlighar.dlms.gateway import REQUEST, RESPONSE, split_prefix
from bijlighar.dlms.general_block import BlockAssembly, decode_general_block
from bijlighar.dlms.hdlc.negotiation import decode_agreement
from bijlighar.dlms.key_transfer import transferred_keys
from bijlighar.dlms.limits import MAX_ELEMENTS
from bijlighar.dlms.model import ModelRefused, parse_model
from bijlighar.dlms.models import model_text
from bijlighar.dlms.notification import (
    decode_event,
    decode_notification,
    encode_event,
    encode_notification,
    open_push,
)
from bijlighar.dlms.profile import (
    ProfileLayout,
    capture_objects_from_octets,
    capture_objects_to_octets,
    scaler_from_octets,
    scaler_to_octets,
)
from bijlighar.dlms.rows import ColumnKind, RowRules
from bijlighar.dlms.security import BOTH, check_hls_gmac, unwrap_key
from bijlighar.dlms.template import Template
from bijlighar.dlms.xdlms.action import decode_action_request, decode_action_response, decode_answers
from bijlighar.dlms.xdlms.get import decode_get_request, decode_get_response, decode_results
from bijlighar.dlms.xdlms.initiate import decode_initiate_request, decode_initiate_response
from bijlighar.dlms.xdlms.references import decode_selection
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import decode_set_request, decode_set_response
from dlms.wire import (
    AUTHENTICATION_KEY,
    CLIENT_CHALLENGE,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    METER_TITLE,
    ROW,
    material,
)

_DEEP_ENOUGH = 64


def encodings(octets: bytes) -> None:
    """A-XDR: a value survives being written and read again; no step stands still or grows beyond its limit."""
    data, end = axdr.decode_from(octets, 0)
    assert 0 < end <= len(octets)
    assert elements(data) <= MAX_ELEMENTS
    axdr.plain(data)
    if any_of(data, Tag.COMPACT_ARRAY):
        return  # written by one of its forms, not by the one that came
    once = axdr.encode(data)
    again = axdr.decode(once)
    assert axdr.encode(again) == once
    with suppress(RemoteProtocolError):
        assert axdr.decode(octets) == data or not_numbers(data)


def elements(data: axdr.Data) -> int:
    """Values in it, all levels together."""
    return 1 + sum(map(elements, data.value)) if isinstance(data.value, tuple) else 1


def any_of(data: axdr.Data, tag: Tag) -> bool:
    """Whether a value of this tag is in it."""
    return data.tag is tag or (isinstance(data.value, tuple) and any(any_of(part, tag) for part in data.value))


def not_numbers(data: axdr.Data) -> bool:
    """Whether a float in it is no number, and so not equal to itself."""
    if isinstance(data.value, tuple):
        return any(map(not_numbers, data.value))
    return isinstance(data.value, float) and math.isnan(data.value)


def openings(octets: bytes) -> None:
    """ACSE: what was read is read the same from what it is written as."""
    decoders = {AARQ: decode_aarq, AARE: decode_aare}
    tag = octets[0] if octets else 0
    if tag in (RLRQ, RLRE):
        release = decode_release(octets, tag)
        assert decode_release(release.encode(tag), tag) == release
        return
    read = decoders.get(tag, decode_aarq)(octets)
    if read.context and (tag == AARE or read.mechanism or read.authentication_value is None):
        assert decoders[tag](read.encode()) == read


def services(octets: bytes) -> None:
    """xDLMS: requests, answers, refusals and what comes unasked; each is the same when written and read again."""
    tag = octets[0] if octets else 0
    if tag == 0xC4 and octets[1:2] == b"\x03":
        decode_results(octets[4:], octets[3] if len(octets) > 3 else 0)
        return
    if tag == 0xC7 and octets[1:2] == b"\x03":
        decode_answers(0, octets[4:], octets[3] if len(octets) > 3 else 0)
        return
    decode = _SERVICES.get(tag, decode_get_request)
    read = decode(octets)
    encode = getattr(read, "encode", None)
    if encode is not None:
        with suppress(LocalProtocolError):  # a selection is read from wider numbers than it is written as
            assert decode(encode()) == read
    elif tag == 0x0F:
        assert encode_notification(read) == octets
    elif tag == 0xC2:
        assert decode_event(encode_event(read)) == read


_SERVICES = {
    0x01: decode_initiate_request,
    0x08: decode_initiate_response,
    0x0E: decode_confirmed_service_error,
    0x0F: decode_notification,
    0xC0: decode_get_request,
    0xC1: decode_set_request,
    0xC2: decode_event,
    0xC3: decode_action_request,
    0xC4: decode_get_response,
    0xC5: decode_set_response,
    0xC7: decode_action_response,
    0xD8: decode_exception,
    0xE0: decode_general_block,
}

_RULES = RowRules(columns=8, instants=frozenset({0}), clock_column=0)
_ROWS = b"\x01\x08" + ROW * 8
_TEMPLATE = Template.learn(_ROWS, _RULES)


def cells(octets: bytes) -> None:
    """Rows read at once are the rows read one by one: no cell is accepted that is another than came.

    The first octet says how often the buffer stands among good ones, so that every way through the reader is gone.
    """
    buffer, copies = octets[1:], (octets[0] % 4 if octets else 0)
    buffers = [buffer, *[_ROWS] * copies, buffer]
    table = _TEMPLATE.decode_rows(buffers)
    try:
        rows = axdr.decode(buffer).value
    except RemoteProtocolError:
        rows = ()
    of_the_first = [n for n in range(len(table)) if table.buffer_index[n] == 0]
    for n in of_the_first:
        row = rows[table.row_index[n]]
        assert len(row.value) == _RULES.columns
        for column, cell in enumerate(row.value):
            _same(table, n, column, cell)
    refused = {fault.row for fault in table.faults if fault.buffer == 0}
    if None not in refused:
        assert len(of_the_first) + len(refused) == len(rows)


def _same(table, n: int, column: int, cell: axdr.Data) -> None:
    kind, missing = table.kinds[column], bool(table.missing[column][n])
    held = table.columns[column][n]
    if column in _RULES.instants:
        if cell.tag is Tag.NULL_DATA:
            assert missing  # without a period nothing can be said of a null clock
            return
        instant = decode_instant(cell.value, DeviationSign.INDIAN)
        assert missing if instant is None else int(held) == instant
    elif cell.tag is Tag.NULL_DATA:
        assert missing
    elif kind is ColumnKind.OBJECT:
        assert held == axdr.plain(cell) or not_numbers(cell)
    else:
        assert not missing
        assert held == cell.value or not_numbers(cell)


def layouts(octets: bytes) -> None:
    """Capture objects, scalers, kept layouts, date-times and selections."""
    with suppress(RemoteProtocolError):
        columns = capture_objects_from_octets(octets)
        assert capture_objects_from_octets(capture_objects_to_octets(columns)) == columns
    with suppress(RemoteProtocolError):
        scaler = scaler_from_octets(octets)
        assert scaler_from_octets(scaler_to_octets(scaler)) == scaler
    with suppress(RemoteProtocolError):
        layout = ProfileLayout.from_octets(octets)
        assert ProfileLayout.from_octets(layout.to_octets()) == layout
    with suppress(RemoteProtocolError):
        assert CosemInstant.from_octets(octets).to_octets() == octets
    for sign in DeviationSign:
        with suppress(RemoteProtocolError):
            instant = decode_instant(octets, sign)
            assert instant is None or abs(instant) < 1 << 40
    with suppress(RemoteProtocolError):
        selection, end = decode_selection(octets, 0)
        assert end <= len(octets)
        with suppress(LocalProtocolError):  # read from wider numbers than it is written as
            assert decode_selection(selection.encode(), 0)[0] == selection


def envelopes(octets: bytes) -> None:
    """Datagrams, a gateway's prefix, general blocks, and what HDLC agrees on."""
    with suppress(RemoteProtocolError):
        assert decode_datagram(octets).encode() == octets
    for tag in (REQUEST, RESPONSE):
        with suppress(RemoteProtocolError):
            gateway, apdu = split_prefix(octets, tag)
            assert gateway.prefix(tag) + apdu == octets
    with suppress(RemoteProtocolError):
        decode_agreement(octets)
    assembly = BlockAssembly()
    with suppress(RemoteProtocolError):
        for block in chunks(octets):
            apdu = assembly.take(decode_general_block(block))
            assert apdu is None or len(apdu) <= len(octets)


def chunks(octets: bytes) -> list[bytes]:
    """Pieces, each behind its length of one octet; a piece of FF takes the rest."""
    found, at = [], 0
    while at < len(octets) and len(found) < _DEEP_ENOUGH:
        size = octets[at] if octets[at] != 0xFF else len(octets)
        found.append(octets[at + 1 : at + 1 + size])
        at += 1 + size
    return found


def forgeries(octets: bytes) -> None:
    """Nothing passes for the peer's but what the peer sealed; what was changed on the way is refused."""
    channel = SecureChannel(material(METER_TITLE), CLIENT_TITLE, int(BOTH), 1, 10)
    with suppress(RemoteProtocolError):
        plain = channel.open(octets)
        assert sealed_again(octets, plain) == octets
    with suppress(RemoteProtocolError):
        push = open_push(octets, material(METER_TITLE))
        assert push.body == octets[-len(push.body) :]
    with suppress(RemoteProtocolError):
        check_hls_gmac(material(METER_TITLE).suite, METER_TITLE, CLIENT_CHALLENGE, octets)
        assert len(octets) == 17
    with suppress(RemoteProtocolError):
        assert len(unwrap_key(octets, ENCRYPTION_KEY)) == 16
    with suppress(RemoteProtocolError):
        transferred_keys(axdr.decode(octets), AUTHENTICATION_KEY)


def sealed_again(octets: bytes, plain: bytes) -> bytes:
    """What the client itself would have sent for this plain APDU under the counter that came."""
    general = octets[0] == 0xDB
    at = (10 if general else 1) + (
        1 if octets[10 if general else 1] < 0x80 else 1 + (octets[10 if general else 1] & 7)
    )
    control, counter = octets[at], int.from_bytes(octets[at + 1 : at + 5], "big")
    own = SecureChannel(material(CLIENT_TITLE), METER_TITLE, control, counter, 1)
    sealed = own.seal_general(plain) if general else own.seal_glo(plain)
    return octets[:at] + sealed[-(len(octets) - at) :]


def models(octets: bytes) -> None:
    """A meter model's text: a model, or ModelRefused by the key that is wrong."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return
    with suppress(ModelRefused):
        parse_model(text, base=_base)


def _base(name: str) -> str:
    try:
        return model_text(name)
    except (LookupError, ValueError, OSError):
        return "quirks = []"


CODECS = {
    target.__name__: target
    for target in (encodings, openings, services, cells, layouts, envelopes, forgeries, models)
}
