"""Checks of the services: invoke-id, blocks, sizes, errors, what is not understood, and what may not be read."""

from __future__ import annotations

from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.limits import MAX_REFERENCES
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef, DataAccessResult, RangeSelection
from bijlighar.dlms.xdlms.get import (
    GetAnswer,
    GetBlock,
    GetListRequest,
    decode_get_response,
    encode_get,
    encode_next,
)
from bijlighar.dlms.xdlms.references import CLOCK_TIME
from bijlighar.dlms.xdlms.results import CONFIRMED_SERVICE_ERROR, EXCEPTION_RESPONSE
from bijlighar.headend.associating import PUBLIC
from bijlighar.headend.conformance.bench import Bench, Wish
from bijlighar.headend.conformance.line import Gone
from bijlighar.headend.conformance.talk import PRIORITY, Talk, named, told, word
from bijlighar.headend.conformance.verdicts import Chapter, Failed, NotApplicable, Silent

SERVICES: Final = Chapter("IEC 62056-5-3")
OBJECTS: Final = Chapter("IEC 62056-6-2")
OBJECT_LIST: Final = AttributeRef(15, Obis.parse("0.0.40.0.0.255"), 2)
_SECRET: Final = AttributeRef(15, OBJECT_LIST.obis, 7)
_SMALL_PDU_OCTETS: Final = 128
"""Offered to make a list of objects come in many blocks: no meter's list fits in it."""
_INVOKES: Final = (1, 7, 15, 0)
_READABLE: Final = (1, 3, 4, 6)
"""Access modes of an attribute that allow reading: read only, both, and these two authenticated."""
_MOST_READ: Final = 24
"""Attributes read one by one for the list's sake: a sample of every class, and no long visit."""
_UNKNOWN_SERVICE: Final = bytes.fromhex("9901020304")
_NOBODYS_OBJECT: Final = AttributeRef(3, Obis.parse("1.0.99.99.99.255"), 2)
_BLOCKS: Final = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)
_AHEAD_S: Final = 10 * 86_400
"""The oversized request asks for rows of a day to come: a meter that obeys it has nothing to send."""
_BEYOND_SLACK_OCTETS: Final = 512
_NO_ATTRIBUTE: Final = AttributeRef(8, CLOCK_TIME.obis, 99)


@SERVICES.check("GET")
async def _the_invoke_id_of_a_question_comes_back_with_its_answer(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for invoke in _INVOKES:
            plain = await talk.ask(encode_get(PRIORITY | invoke, CLOCK_TIME, None))
            answer = _get_response(plain)
            if answer.invoke & 0x0F != invoke:
                raise Failed(f"invoke-id {invoke} was answered under {answer.invoke & 0x0F}")
    return f"invoke-ids {', '.join(map(str, _INVOKES))} came back"


@SERVICES.check("GET with block transfer")
async def _a_long_value_comes_in_numbered_blocks_and_only_the_final_one_is_the_last(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role, max_pdu=_SMALL_PDU_OCTETS)) as talk:
        answer = await talk.get(OBJECT_LIST)
        octets = answer.octets("the list of objects")
        if not answer.blocks:
            raise Failed(f"a value of {len(octets)} octets came whole, though {_SMALL_PDU_OCTETS} can be received")
        if any(not size for _, _, size in answer.blocks):
            raise Failed("a block is empty")
        axdr.decode(octets)
        return f"{len(octets)} octets in {len(answer.blocks)} blocks from 1 on, the last one marked"


@SERVICES.check("xDLMS client-max-receive-pdu-size")
async def _no_answer_is_longer_than_the_client_can_receive(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role, max_pdu=_SMALL_PDU_OCTETS)) as talk:
        largest = (await talk.get(OBJECT_LIST)).largest_octets
    if largest > _SMALL_PDU_OCTETS:
        raise Failed(f"an APDU of {largest} octets came, {_SMALL_PDU_OCTETS} were offered")
    return f"the largest APDU has {largest} of {_SMALL_PDU_OCTETS} octets"


@SERVICES.check("GET with block transfer")
async def _a_wrong_block_number_is_refused(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role, max_pdu=_SMALL_PDU_OCTETS)) as talk:
        invoke = talk.next_invoke()
        first = _get_response(await talk.ask(encode_get(invoke, OBJECT_LIST, None)))
        if not isinstance(first, GetBlock) or first.last:
            raise NotApplicable("the list of objects came in one piece")
        how = await talk.refusal(talk.seal(encode_next(invoke, first.number + 5)))
        talk.spoiled = True
    return await _still_there(bench, how)


@SERVICES.check("GET, data-access-result")
async def _an_object_that_is_not_there_is_told_by_the_right_error(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        answer = await talk.get(_NOBODYS_OBJECT)
    if answer.value is not None or answer.result is not DataAccessResult.OBJECT_UNDEFINED:
        raise Failed(f"{named(_NOBODYS_OBJECT)} is answered by {_brought(answer.value, answer.result)}")
    return f"{named(_NOBODYS_OBJECT)}: object-undefined"


@SERVICES.check("GET, data-access-result")
async def _an_attribute_that_is_not_there_is_an_error_and_the_association_goes_on(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        answer = await talk.get(_NO_ATTRIBUTE)
        if answer.value is not None:
            raise Failed(f"{named(_NO_ATTRIBUTE)} brought {len(answer.value)} octets")
        await talk.value(CLOCK_TIME)
    return f"{named(_NO_ATTRIBUTE)}: {word(answer.result)}"


@SERVICES.check("exception-response")
async def _a_service_that_nobody_knows_is_answered_by_an_exception(bench: Bench) -> str:
    async with bench.open(Wish(role=PUBLIC)) as talk:
        how = await _exception(talk, _UNKNOWN_SERVICE)
        talk.spoiled = True
    return await _still_there(bench, how)


@SERVICES.check("exception-response")
async def _a_request_cut_short_is_answered_by_an_exception(bench: Bench) -> str:
    whole = encode_get(PRIORITY | 1, CLOCK_TIME, None)
    async with bench.open(Wish(role=PUBLIC)) as talk:
        how = await _exception(talk, whole[:-4])
        talk.spoiled = True
    return await _still_there(bench, how)


@SERVICES.check("xDLMS server-max-receive-pdu-size")
async def _a_request_longer_than_the_meter_can_receive_is_refused(bench: Bench) -> str:
    async with bench.open(Wish(role=PUBLIC)) as talk:
        assert talk.initiate is not None, "an open talk has one"
        size = talk.initiate.max_pdu
        if not size:
            raise NotApplicable("the meter tells no limit")
        never = encode_instant(int(bench.now()) + _AHEAD_S, bench.model.deviation_sign)
        question = (_BLOCKS, RangeSelection(start=never, end=never))
        many = (2 * size + _BEYOND_SLACK_OCTETS) // len(GetListRequest(0, (question,)).encode())
        if many > MAX_REFERENCES:
            raise NotApplicable(f"the meter receives {size} octets, more than a list of reads has")
        request = GetListRequest(talk.next_invoke(), (question,) * many).encode()
        how = await talk.refusal(request)
        talk.spoiled = True
    return await _still_there(bench, f"{len(request)} octets where {size} are received, {how}")


@OBJECTS.check("class 15, object_list")
async def _the_association_lists_its_objects_each_once(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        entries = listed(await talk.value(OBJECT_LIST))
    keys = [(class_id, obis) for class_id, obis, _ in entries]
    double = {key for key in keys if keys.count(key) > 1}
    if double:
        raise Failed(f"listed more than once: {', '.join(f'{c}/{o}' for c, o in sorted(double))}")
    if (8, CLOCK_TIME.obis) not in keys:
        raise Failed("the clock is not among the objects")
    return f"{len(keys)} objects"


@OBJECTS.check("class 15, access rights")
async def _what_the_list_allows_to_read_can_be_read(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        entries = listed(await talk.value(OBJECT_LIST))
        refs = [
            AttributeRef(class_id, obis, 1) for class_id, obis, modes in entries if modes.get(1, 0) in _READABLE
        ]
        step = max(1, len(refs) // _MOST_READ)
        for ref in refs[::step]:
            name = axdr.decode((await talk.get(ref)).octets(f"{named(ref)}, which the list allows,"))
            if name.value != ref.obis.octets:
                raise Failed(f"{named(ref)} is not the object's own name")
    return f"{len(refs[::step])} of {len(refs)} names read"


@OBJECTS.check("class 15, access rights")
async def _what_the_list_denies_is_denied(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        entries = listed(await talk.value(OBJECT_LIST))
        modes = next((m for c, o, m in entries if (c, o) == (_SECRET.class_id, _SECRET.obis)), {})
        if modes.get(_SECRET.attribute, 0) in _READABLE:
            raise Failed(f"the list lets this client read the secret {named(_SECRET)}")
        answer = await talk.get(_SECRET)
        if answer.value is not None:
            raise Failed(f"{named(_SECRET)}, the secret, is readable")
    return f"{named(_SECRET)}: {word(answer.result)}"


Entry = tuple[int, Obis, dict[int, int]]


def listed(octets: bytes) -> list[Entry]:
    """Class, name and access mode by attribute of every entry of an object list. Raises Failed."""
    data = axdr.decode(octets)
    if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple):
        raise Failed("the list of objects is no array")
    return [_entry(element) for element in data.value]


def _entry(data: Data) -> Entry:
    try:
        class_id, _, name, rights = _parts(data, 4)
        attributes, _ = _parts(rights, 2)
        modes = {}
        assert isinstance(attributes.value, tuple)
        for item in attributes.value:
            number, mode, _ = _parts(item, 3)
            modes[_integer(number)] = _integer(mode)
        assert isinstance(name.value, bytes)
        return _integer(class_id), Obis.from_octets(name.value), modes
    except AssertionError:
        raise Failed("an entry of the list of objects has another form than the standard's") from None


def _parts(data: Data, count: int) -> tuple[Data, ...]:
    assert data.tag is Tag.STRUCTURE
    assert isinstance(data.value, tuple)
    assert len(data.value) == count
    return data.value


def _integer(data: Data) -> int:
    assert isinstance(data.value, int)
    return data.value


async def _exception(talk: Talk, octets: bytes) -> str:
    try:
        answer = await talk.exchange(octets)
    except Gone:
        raise Failed("the connection was closed without a word") from None
    except Silent:
        raise Silent("nothing was answered at all") from None
    if answer[0] not in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
        raise Failed(f"it was answered by {told(answer)}")
    return told(answer)


async def _still_there(bench: Bench, how: str) -> str:
    """The meter must be usable after what it refused."""
    async with bench.open(Wish(role=PUBLIC)):
        return how


def _get_response(plain: bytes) -> GetAnswer | GetBlock:
    if plain[0] != 0xC4:
        raise Failed(f"a GET is answered by {told(plain)}")
    return decode_get_response(plain)


def _brought(value: bytes | None, result: DataAccessResult) -> str:
    return word(result) if value is None else f"{len(value)} octets of data"
