import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotSupported, RemoteProtocolError
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import (
    CLOCK_TIME,
    ActionResult,
    AttributeRef,
    ColumnRef,
    ConfirmedServiceError,
    DataAccessResult,
    EntrySelection,
    ExceptionResponse,
    InitiateRequest,
    InitiateResponse,
    MethodRef,
    RangeSelection,
    ServiceError,
    StateError,
)
from bijlighar.dlms.xdlms.action import (
    ActionAnswer,
    ActionRequest,
    decode_action_request,
    decode_action_response,
)
from bijlighar.dlms.xdlms.get import (
    GetAnswer,
    GetBlock,
    GetNext,
    GetRequest,
    decode_get_request,
    decode_get_response,
    split_block,
)
from bijlighar.dlms.xdlms.initiate import decode_initiate_request, decode_initiate_response
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import (
    SetAnswer,
    SetRequest,
    decode_set_request,
    decode_set_response,
)

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
INDEX = st.integers(0, 127)
NAMES = st.binary(min_size=6, max_size=6).map(Obis)
OCTETS = st.binary(min_size=1, max_size=200)
INSTANTS = st.binary(min_size=12, max_size=12)
REFS = st.builds(AttributeRef, U16, NAMES, INDEX)
COLUMNS = st.lists(st.builds(ColumnRef, U16, NAMES, INDEX, U16), max_size=3).map(tuple)
SELECTIONS = st.one_of(
    st.builds(RangeSelection, start=INSTANTS, end=INSTANTS),
    st.builds(RangeSelection, start=INSTANTS, end=INSTANTS, restricting=REFS, columns=COLUMNS),
    st.builds(EntrySelection, first=U32, last=U32, first_column=U16, last_column=U16),
)
RESULTS = st.sampled_from(DataAccessResult)

CODECS = {
    "get-request": (st.builds(GetRequest, U8, REFS, st.none() | SELECTIONS), decode_get_request),
    "get-request-next": (st.builds(GetNext, U8, U32), decode_get_request),
    "get-response": (
        st.builds(GetAnswer, U8, OCTETS) | st.builds(GetAnswer, U8, st.none(), RESULTS),
        decode_get_response,
    ),
    "get-response-with-block": (
        st.builds(GetBlock, U8, st.booleans(), U32, st.binary(max_size=300))
        | st.builds(GetBlock, U8, st.booleans(), U32, st.none(), RESULTS),
        decode_get_response,
    ),
    "set-request": (st.builds(SetRequest, U8, REFS, OCTETS), decode_set_request),
    "set-response": (st.builds(SetAnswer, U8, RESULTS), decode_set_response),
    "action-request": (
        st.builds(ActionRequest, U8, st.builds(MethodRef, U16, NAMES, INDEX), st.none() | OCTETS),
        decode_action_request,
    ),
    "action-response": (
        st.builds(ActionAnswer, U8, st.sampled_from(ActionResult), st.none() | OCTETS)
        | st.builds(ActionAnswer, U8, st.sampled_from(ActionResult), st.none(), RESULTS),
        decode_action_response,
    ),
    "exception-response": (
        st.builds(ExceptionResponse, st.sampled_from(StateError), st.sampled_from(ServiceError))
        | st.builds(
            ExceptionResponse, st.sampled_from(StateError), st.just(ServiceError.INVOCATION_COUNTER_ERROR), U32
        ),
        decode_exception,
    ),
    "confirmed-service-error": (st.builds(ConfirmedServiceError, U8, U8, U8), decode_confirmed_service_error),
    "initiate-request": (
        st.builds(
            InitiateRequest,
            conformance=st.integers(0, 0xFFFFFF),
            max_pdu=U16,
            dedicated_key=st.none() | st.binary(min_size=16, max_size=16),
            response_allowed=st.booleans(),
            quality_of_service=st.none() | U8,
        ),
        decode_initiate_request,
    ),
    "initiate-response": (
        st.builds(
            InitiateResponse, conformance=st.integers(0, 0xFFFFFF), max_pdu=U16, quality_of_service=st.none() | U8
        ),
        decode_initiate_response,
    ),
}


@pytest.mark.parametrize("name", CODECS)
@given(draw=st.data())
def test_every_apdu_comes_back(name, draw):
    apdus, decode = CODECS[name]
    apdu = draw.draw(apdus)
    assert decode(apdu.encode()) == apdu


@pytest.mark.parametrize("name", CODECS)
@given(draw=st.data())
def test_cut_or_changed_apdus_give_an_apdu_or_a_fault_of_the_peer(name, draw):
    apdus, decode = CODECS[name]
    octets = bytearray(draw.draw(apdus).encode())
    cut = draw.draw(st.integers(0, len(octets)))
    position = draw.draw(st.integers(0, len(octets) - 1))
    octets[position] ^= draw.draw(st.integers(0, 255))
    try:
        decode(bytes(octets[:cut]))
    except RemoteProtocolError:
        return


CLOCK_REF = AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2)


def test_the_octets_of_requests_are_those_of_the_standard():
    assert GetRequest(0, CLOCK_REF).encode().hex().upper() == "C0010000080000010000FF0200"
    assert GetNext(0xC1, 2).encode().hex().upper() == "C002C100000002"
    disconnect = MethodRef(70, Obis.parse("0.0.96.3.10.255"), 1)
    assert ActionRequest(0xC1, disconnect, b"\x0f\x00").encode().hex().upper() == "C301C10046000060030AFF01010F00"
    assert SetRequest(0xC1, CLOCK_REF, b"\x11\x01").encode().hex().upper() == "C101C100080000010000FF02001101"


def test_a_range_on_the_clock_has_its_well_known_octets():
    start, end = bytes(range(12)), bytes(range(12, 24))
    octets = RangeSelection(start=start, end=end).encode().hex().upper()
    assert octets == (
        "010204" + "0204" + "120008" + "09060000010000FF" + "0F02" + "120000"
        "090C" + start.hex().upper() + "090C" + end.hex().upper() + "0100"
    )
    by_name = RangeSelection(start=start, end=end, restricting=AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2))
    assert by_name.encode().hex().upper() == octets
    assert by_name.restricting == CLOCK_TIME


def test_a_range_given_as_date_times_is_read_too():
    start = bytes(range(12))
    octets = RangeSelection(start=start, end=start).encode().replace(b"\x09\x0c", b"\x19")
    request = GetRequest(1, CLOCK_REF).encode()[:-1] + b"\x01" + octets
    decoded = decode_get_request(request)
    assert isinstance(decoded, GetRequest)
    assert decoded.selection == RangeSelection(start=start, end=start)


def test_entries_have_their_well_known_octets():
    octets = EntrySelection(first=1, last=5).encode().hex().upper()
    assert octets == "020204" + "0600000001" + "0600000005" + "120001" + "120000"


def test_the_printed_initiate_request_with_its_dedicated_key():
    octets = bytes.fromhex("01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0")
    request = decode_initiate_request(octets)
    assert request.dedicated_key == bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    assert (request.conformance, request.max_pdu) == (0x007E1F, 0x04B0)
    assert request.encode() == octets


@pytest.mark.parametrize(
    ("decode", "octets"),
    [
        (decode_get_request, "C004C101"),
        (decode_get_response, "C403C10100"),
        (decode_set_request, "C106C100080000010000FF02001101"),
        (decode_set_request, "C101C100080000010000FF02011101"),
        (decode_set_response, "C506C100"),
        (decode_action_request, "C307C10046000060030AFF0100"),
        (decode_action_response, "C705C10000"),
    ],
)
def test_forms_that_are_not_spoken_here_are_refused_as_such(decode, octets):
    with pytest.raises(NotSupported):
        decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("decode", "octets"),
    [
        (decode_get_request, "C001C100080000010000FF020000"),
        (decode_get_request, "C001C100080000010000FF02010311"),
        (decode_get_response, "C401C10200"),
        (decode_get_response, "C401C10163"),
        (decode_get_response, "C401C1010100"),
        (decode_get_response, "C402C1010000000102"),
        (decode_get_response, "C402C101000000010002AABBCC"),
        (decode_action_response, "C701C1000200"),
        (decode_action_request, "C301C10046000060030AFF010011"),
        (decode_action_request, "C301C10046000060030AFF0101"),
        (decode_exception, "D8090100"),
        (decode_exception, "D80101000000"),
        (decode_initiate_response, "0800055F1F0400007E1F04B00007"),
        (decode_initiate_response, "0800065F1F0400007E1F04B0FA00"),
        (decode_initiate_response, "0100065F1F0400007E1F04B00007"),
        (decode_initiate_response, "0800065F1E0400007E1F04B00007"),
    ],
)
def test_apdus_that_say_nonsense_are_refused(decode, octets):
    with pytest.raises(RemoteProtocolError):
        decode(bytes.fromhex(octets))


def test_what_cannot_be_encoded_is_our_fault():
    with pytest.raises(LocalProtocolError):
        AttributeRef(70000, CLOCK_REF.obis, 2).encode()
    with pytest.raises(LocalProtocolError):
        MethodRef(70, CLOCK_REF.obis, 300).encode()
    with pytest.raises(LocalProtocolError):
        RangeSelection(start=bytes(11), end=bytes(12)).encode()
    with pytest.raises(Malformed):
        decode_get_request(
            GetRequest(1, CLOCK_REF).encode()[:-1] + b"\x01\x02\x02\x04" + b"\x03\x01" * 0 + b"\x00" * 4
        )


@pytest.mark.parametrize("size", [0, 1, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x101, 0x3E2])
@pytest.mark.parametrize("width", [0, 1, 2, 3])
def test_a_block_is_read_in_every_form_of_its_length_and_only_when_that_is_true(size, width):
    piece = bytes(range(256))[-1::-1] * 4

    def block(told):
        length = bytes([told]) if not width else bytes([0x80 | width]) + told.to_bytes(width, "big")
        return bytes((0xC4, 2, 0xC1, 1, 0, 0, 0, 9, 0)) + length + piece[:size]

    most = (0x7F, 0xFF, 0xFFFF, 0xFFFFFF)[width]
    if size <= most:
        assert split_block(block(size)) == (True, 9, piece[:size])
    for wrong in {size - 1, size + 1, size + 0x100} - {-1}:
        if wrong <= most:
            with pytest.raises(RemoteProtocolError):
                split_block(block(wrong))
