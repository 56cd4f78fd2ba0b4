"""The trial over real loopback: ciphered sessions, rights, relay, clock, counters, one association at a time."""

import contextlib
from dataclasses import replace

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import AssociationRefused, GetFailed, Released
from bijlighar.dlms.clock import DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult, EntrySelection, RangeSelection

NOW = 1_763_900_000
CLOCK = (8, "0.0.1.0.0.255", 2)
RELAY = "0.0.96.3.10.255"
BLOCK_LOAD = (7, "1.0.99.1.0.255", 2)
TRANSFORMER = 11


def instant(epoch_s):
    return encode_instant(epoch_s, DeviationSign.INDIAN)


def moment(octets):
    return decode_instant(octets, DeviationSign.INDIAN)


def between(begin_s, end_s):
    return RangeSelection(start=instant(begin_s), end=instant(end_s))


def test_the_public_client_reads_names_counters_and_clock_and_no_more(served):
    async def test(served):
        session = await served.session(3, "public")
        assert await session.get(1, "0.0.96.1.0.255", 2) == b"ML28000004"
        assert await session.get(1, "0.0.42.0.0.255", 2) == b"4D4C421C00000004"
        assert await session.get(1, "0.0.43.1.2.255", 2) == 0
        assert abs(moment(await session.get(*CLOCK)) - NOW) < 10
        assert (await session.ask(*BLOCK_LOAD)) == GetFailed(DataAccessResult.READ_WRITE_DENIED)
        assert (await session.ask(1, "9.9.9.9.9.255", 2)) == GetFailed(DataAccessResult.OBJECT_UNDEFINED)

    served(test)


def test_blocks_add_up_to_the_register_of_the_meter(served):
    async def test(served):
        for meter, period in ((2, 1800), (TRANSFORMER, 900)):
            session = await served.session(meter)
            columns = [tuple(c[1]) for c in await session.get(7, "1.0.99.1.0.255", 3)]
            energy = columns.index((1, 0, 1, 29, 0, 255))
            days = await session.get(7, "1.0.99.2.0.255", 2)
            rows = await session.get(*BLOCK_LOAD, between(moment(days[-3][0]) + 1, moment(days[-1][0])))
            assert len(rows) == 2 * 86_400 // period
            assert [moment(row[0]) for row in rows][-1] == moment(days[-1][0])
            assert sum(row[energy] for row in rows) == days[-1][1] - days[-3][1]
            assert await session.get(7, "1.0.99.1.0.255", 4) == period
            await session.close()

    served(test)


def test_depth_is_thirty_five_days(served):
    async def test(served):
        session = await served.session(2)
        rows = await session.get(*BLOCK_LOAD)
        assert len(rows) == 35 * 48
        assert moment(rows[0][0]) == moment(rows[-1][0]) - (35 * 48 - 1) * 1800
        assert len(await session.get(7, "1.0.99.2.0.255", 2)) == 35
        assert await session.get(*BLOCK_LOAD, between(NOW - 60 * 86_400, NOW - 50 * 86_400)) == []

    served(test)


def test_rows_by_entry_are_those_of_the_buffer(served):
    async def test(served):
        session = await served.session(2)
        daily = (7, "1.0.99.2.0.255", 2)
        every = await session.get(*daily)
        assert await session.get(*daily, EntrySelection(first=3, last=5)) == every[2:5]
        assert await session.get(*daily, EntrySelection(first=34, last=0)) == every[33:]
        narrow = EntrySelection(first=1, last=2, first_column=2, last_column=3)
        assert await session.get(*daily, narrow) == [row[1:3] for row in every[:2]]

    served(test)


def test_a_new_block_appears_when_it_has_ended(served):
    async def test(served):
        session = await served.session(2)
        newest = moment((await session.get(*BLOCK_LOAD))[-1][0])
        served.clock.now_s = newest + 1800 + 30
        rows = await session.get(*BLOCK_LOAD)
        assert moment(rows[-1][0]) == newest + 1800
        assert len(rows) == 35 * 48

    served(test)


def test_scalers_tell_the_unit_of_every_number(served):
    async def test(served):
        session = await served.session(2)
        captured = await session.get(7, "1.0.94.91.4.255", 3)
        scalers = (await session.get(7, "1.0.94.91.4.255", 2))[0]
        assert len(captured) == len(scalers) == 6
        assert {c[2] for c in captured} == {3}
        by_obis = {bytes(c[1])[2:4]: s for c, s in zip(captured, scalers, strict=True)}
        assert by_obis[bytes([1, 29])] == [1, 30]
        assert await session.get(3, "1.0.1.8.0.255", 3) == [1, 30]

    served(test)


def test_setting_the_clock_moves_it_and_is_logged(served):
    async def test(served):
        session = await served.session(4, "setting")
        assert await session.set(*CLOCK, axdr.octets(instant(NOW + 90))) is DataAccessResult.SUCCESS
        assert moment(await session.get(*CLOCK)) == NOW + 90
        log = await session.get(7, "0.0.99.98.3.255", 2)
        assert [row[1] for row in log] == [151, 151]
        assert moment(log[-1][0]) == NOW + 90
        assert await session.set(*CLOCK, axdr.u8(3)) is DataAccessResult.TYPE_UNMATCHED
        assert await session.set(*CLOCK, axdr.octets(b"\xff" * 12)) is DataAccessResult.TYPE_UNMATCHED

    served(test)


def test_a_reader_may_not_set_nor_switch(served):
    async def test(served):
        session = await served.session(4, "reader")
        denied = DataAccessResult.READ_WRITE_DENIED
        assert await session.set(*CLOCK, axdr.octets(instant(NOW))) is denied
        assert await session.set(1, "1.0.0.8.4.255", 2, axdr.u16(900)) is denied
        assert await session.act(70, RELAY, 1, axdr.i8(0)) is ActionResult.READ_WRITE_DENIED
        assert await session.get(70, RELAY, 2) is True

    served(test)


def test_the_relay_opens_and_closes_and_says_so(served):
    async def test(served):
        session = await served.session(4, "setting")
        assert await session.act(70, RELAY, 1, axdr.i8(0)) is ActionResult.SUCCESS
        assert [await session.get(70, RELAY, a) for a in (2, 3)] == [False, 0]
        register = await session.get(3, "1.0.1.8.0.255", 2)
        served.clock.now_s += 3 * 3600
        assert await session.get(3, "1.0.1.8.0.255", 2) == register
        assert await session.get(3, "1.0.1.7.0.255", 2) == 0
        assert [row[2] for row in (await session.get(*BLOCK_LOAD))[-4:]] == [0, 0, 0, 0]
        assert await session.act(70, RELAY, 2, axdr.i8(0)) is ActionResult.SUCCESS
        assert [await session.get(70, RELAY, a) for a in (2, 3)] == [True, 1]
        assert await session.act(70, RELAY, 2, axdr.i8(0)) is ActionResult.READ_WRITE_DENIED
        assert [row[1] for row in await session.get(7, "0.0.99.98.6.255", 2)] == [301, 302]

    served(test)


def test_in_mode_six_a_remote_reconnect_only_makes_ready(served):
    async def test(served):
        session = await served.session(4, "setting")
        assert await session.set(70, RELAY, 4, axdr.enum(6)) is DataAccessResult.SUCCESS
        assert await session.act(70, RELAY, 1, axdr.i8(0)) is ActionResult.SUCCESS
        assert await session.act(70, RELAY, 2, axdr.i8(0)) is ActionResult.SUCCESS
        assert [await session.get(70, RELAY, a) for a in (2, 3)] == [False, 2]
        assert await session.set(70, RELAY, 4, axdr.enum(0)) is DataAccessResult.SUCCESS
        assert await session.act(70, RELAY, 1, axdr.i8(0)) is ActionResult.READ_WRITE_DENIED

    served(test)


def test_a_transformer_meter_has_no_relay(served):
    async def test(served):
        session = await served.session(TRANSFORMER, "setting")
        assert await session.act(70, RELAY, 1, axdr.i8(0)) is ActionResult.OBJECT_UNDEFINED
        assert await session.get(7, "0.0.94.91.10.255", 2)

    served(test)


def test_load_limits_are_set_and_logged(served):
    async def test(served):
        session = await served.session(4, "setting")
        limiter = (71, "0.0.17.0.0.255")
        assert await session.set(*limiter, 5, axdr.u32(750)) is DataAccessResult.SUCCESS
        assert await session.set(*limiter, 4, axdr.u16(1)) is DataAccessResult.TYPE_UNMATCHED
        assert await session.get(*limiter, 5) == 750
        assert [row[1] for row in await session.get(7, "0.0.99.98.3.255", 2)] == [151, 158]

    served(test)


def test_a_snapshot_agrees_with_the_registers(served):
    async def test(served):
        session = await served.session(2)
        columns = [(bytes(c[1])[:5], c[2]) for c in await session.get(7, "1.0.94.91.0.255", 3)]
        row = dict(zip(columns, (await session.get(7, "1.0.94.91.0.255", 2))[0], strict=True))
        assert row[bytes([1, 0, 1, 8, 0]), 2] == await session.get(3, "1.0.1.8.0.255", 2)
        volt, ampere = row[bytes([1, 0, 12, 7, 0]), 2] / 100, row[bytes([1, 0, 11, 7, 0]), 2] / 100
        apparent = row[bytes([1, 0, 9, 7, 0]), 2]
        assert volt * ampere == pytest.approx(apparent, abs=0.02 * volt + 1)
        assert row[bytes([1, 0, 1, 7, 0]), 2] <= apparent

    served(test)


def test_a_seen_counter_is_refused_in_the_next_connection_too(served):
    async def test(served):
        first = await served.session(5, counter=100)
        assert await first.get(1, "0.0.43.1.2.255", 2) > 100
        await first.close()
        again = await served.connect(5, counter=100)
        assert isinstance(await again.open(), AssociationRefused)
        await again.close()
        later = await served.session(5, counter=500)
        await later.close()

    served(test)


def test_a_wrong_secret_is_refused(served):
    async def test(served):
        stranger = await served.connect(5)
        stranger.association = type(stranger.association)(_with_secret(stranger.association, b"WRONG123"))
        assert isinstance(await stranger.open(), AssociationRefused)

    served(test)


def _with_secret(association, secret):
    return replace(association._settings, secret=secret)


def test_a_second_connection_is_closed_while_the_first_lasts(served):
    async def test(served):
        first = await served.session(2)
        second = await served.connect(2)
        second.writer.write(b"anything")
        with pytest.raises((ConnectionError, EOFError)):
            await second.open()
        assert served.exchange.tally.busy == 1
        assert await first.get(1, "0.0.96.1.0.255", 2) == b"ML28000003"
        await first.close()
        third = await served.session(2)
        assert await third.get(1, "0.0.96.1.0.255", 2) == b"ML28000003"

    served(test)


def test_a_client_that_calls_again_at_once_is_heard(served):
    async def test(served):
        for _ in range(20):
            session = await served.session(2)
            session.association.release()
            assert isinstance(await session.event(), Released)
            session.writer.close()

    served(test)


def test_two_associations_may_follow_each_other_on_one_connection(served):
    async def test(served):
        session = await served.session(2, "public")
        session.association.release()
        assert isinstance(await session.event(), Released)
        second = served.again(session, 2, "reader", 1)
        assert (await second.open()).meter_title == b"MLB\x1c\x00\x00\x00\x03"
        assert await second.get(1, "0.0.43.1.2.255", 2) == 2

    served(test)


def test_addresses_of_nobody_are_dropped(served):
    async def test(served):
        reader, _ = await served.dial("127.0.0.1")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert served.exchange.tally.foreign == 1

    served(test)


def test_beyond_the_limit_connections_are_closed(served):
    async def test(served):
        await served.session(1)
        third = await served.connect(2)
        with pytest.raises((ConnectionError, EOFError)):
            await third.open()
        assert served.exchange.tally.full == 1

    served(test, most_connections=1)


def test_a_silent_client_loses_its_meter(served):
    async def test(served):
        session = await served.session(1)
        served.exchange.drop_idle()
        assert len(served.exchange.open) == 1
        served.exchange.idle_s = -1
        served.exchange.drop_idle()
        with pytest.raises((ConnectionError, EOFError)):
            await session.get(*CLOCK)
        assert not served.exchange.busy

    served(test)


def test_garbage_ends_the_connection_and_nothing_else(served):
    async def test(served):
        reader, writer = await served.dial("127.16.0.3")
        writer.write(bytes.fromhex("0001002000010003C00100"))
        assert len(await reader.read()) > 0
        writer.close()
        assert served.exchange.tally.faults == 1
        session = await served.session(2)
        assert await session.get(1, "0.0.96.1.0.255", 2) == b"ML28000003"

    served(test)


def test_the_object_list_names_what_can_be_read(served):
    async def test(served):
        session = await served.session(2)
        listed = await session.get(15, "0.0.40.0.0.255", 2)
        names = {(entry[0], bytes(entry[2])) for entry in listed}
        assert (7, bytes([1, 0, 99, 1, 0, 255])) in names
        for class_id, obis in sorted(names):
            assert await session.get(class_id, ".".join(map(str, obis)), 1) == obis

    served(test)
