"""Meters served over HDLC: the same values, sizes as the client says, clients one after the other."""

import pytest

from bijlighar.dlms.association import (
    AssociationOpened,
    AssociationRefused,
    ClientAssociation,
    ClientSettings,
    GetSucceeded,
    Released,
)
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import Frame, FrameReader, Kind, client_octets, server_octets
from meterlab.framing import HDLC, Framing, hdlc_of

BLOCK_LOAD = (7, "1.0.99.1.0.255", 2)
COUNTER = (1, "0.0.43.1.2.255", 2)
POLL = 0x10
SIZES = [
    HdlcSettings(),
    HdlcSettings(send_octets=32, receive_octets=32),
    HdlcSettings(send_octets=64, receive_octets=2030, send_window=3, receive_window=7),
]


def hdlc_session(session, line, **changes):
    """The same connection and client, over HDLC."""
    settings = session.association._settings
    kept = {name: getattr(settings, name) for name in ClientSettings.__dataclass_fields__ if name != "kept"}
    session.association = ClientAssociation(ClientSettings(**(kept | {"hdlc": line} | changes)))
    return session


async def hang_up(session):
    """Release, and take leave of the link; the frames that the meter answered with."""
    session.association.release()
    assert await session.event() == Released()
    session.association.receive_data(await session.reader.read(4096))
    session.association.next_event()
    assert session.association.link.disconnected


def test_framings_by_name():
    assert hdlc_of(Framing("wrapper")) is None
    assert hdlc_of(Framing("hdlc")) is HDLC


@pytest.mark.parametrize("line", SIZES)
@pytest.mark.parametrize("role", ["reader", "setting"])
def test_values_over_hdlc_are_those_over_the_wrapper(served, line, role):
    read = {}

    def test_over(hdlc):
        async def test(served):
            session = await served.connect(2, role)
            if hdlc is not None:
                hdlc_session(session, line)
            assert isinstance(await session.open(), AssociationOpened)
            read[hdlc] = await session.get(*BLOCK_LOAD)
            if hdlc is not None:
                agreement = session.association.link.agreement
                assert (agreement.send_octets, agreement.receive_octets) == (line.send_octets, line.receive_octets)
                await hang_up(session)

        return test

    served(test_over(None))
    served(test_over(HDLC), hdlc=HDLC)
    assert len(read[None]) == 35 * 48
    assert read[HDLC] == read[None]


def test_several_clients_associate_one_after_the_other_over_one_connection(served):
    async def test(served):
        public = hdlc_session(await served.connect(3, "public"), SIZES[0])
        assert isinstance(await public.open(), AssociationOpened)
        assert await public.get(*COUNTER) == 0
        await hang_up(public)
        reader = hdlc_session(served.again(public, 3, "reader", 1), SIZES[0])
        assert isinstance(await reader.open(), AssociationOpened)
        rows = await reader.get(*BLOCK_LOAD)
        await hang_up(reader)
        public = hdlc_session(served.again(public, 3, "public", 0), SIZES[0])
        assert isinstance(await public.open(), AssociationOpened)
        assert len(rows) == 35 * 48
        assert await public.get(*COUNTER) == reader.association.next_invocation_counter - 1
        assert served.exchange.tally.accepted == 1
        assert served.exchange.tally.faults == 0

    served(test, hdlc=HDLC)


def test_a_client_that_calls_anew_ends_its_association_and_begins_another(served):
    async def test(served):
        first = await served.connect(3, "reader", 1)
        for counter in (1, 1000):
            session = hdlc_session(served.again(first, 3, "reader", counter), SIZES[0])
            assert isinstance(await session.open(), AssociationOpened)
            assert isinstance(await session.ask(*BLOCK_LOAD), GetSucceeded)
        assert served.exchange.tally.accepted == 1

    served(test, hdlc=HDLC)


def test_a_counter_that_was_used_is_refused_over_hdlc_too(served):
    async def test(served):
        for counter, expected in ((50, True), (10, False), (60_000, True)):
            session = hdlc_session(await served.connect(4, "reader", counter), SIZES[0])
            session.association.open()
            event = await session.event()
            assert isinstance(event, AssociationOpened) is expected, event
            if expected:
                await hang_up(session)
            await session.close()

    served(test, hdlc=HDLC)


@pytest.mark.parametrize("client_address", [17, 33, 127])
def test_a_client_that_the_model_does_not_know_is_refused_over_hdlc_too(served, client_address):
    async def test(served):
        session = hdlc_session(await served.connect(3, "reader"), SIZES[0], client_address=client_address)
        assert isinstance(await session.open(), AssociationRefused)

    served(test, hdlc=HDLC)


def test_what_is_no_frame_is_passed_over(served):
    async def test(served):
        reader, writer = await served.dial(served.lab.town.host(3))
        writer.write(bytes.fromhex("0001001000010001ff") * 3)
        writer.write(Frame(server_octets(1, None, 1), client_octets(16), Kind.SNRM | POLL).encode())
        frames = FrameReader(200)
        frames.receive_data(await reader.read(4096))
        assert frames.next_frame().kind is Kind.UA

    served(test, hdlc=HDLC)
