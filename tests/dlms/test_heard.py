"""The meter's counters over several associations: a recorded session is refused when it is played again."""

import pytest

from bijlighar.dlms.association import (
    AssociationOpened,
    Ciphering,
    ClientAssociation,
    GetSucceeded,
    Mechanism,
    Released,
    ServerAssociation,
)
from bijlighar.dlms.errors import CounterWentBack, Replayed
from dlms.wire import BUFFER, client_settings, events_of, serve, server_settings

LOW = {"mechanism": Mechanism.LLS}
CIPHERINGS = pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])


def session(client, answers):
    """A whole session against what ``answers`` each request; the events, and what was answered."""
    events, said = [], []
    for step in (client.open, lambda: client.get(BUFFER), client.release):
        step()
        while octets := client.data_to_send():
            said.append(answers(octets))
            client.receive_data(said[-1])
            events += events_of(client)
    return events, said


def meter_that_begins_with(counter, **how):
    meter = ServerAssociation(server_settings(**how, invocation_counter=counter))

    def answers(octets):
        meter.receive_data(octets)
        serve(meter)
        return meter.data_to_send()

    return answers


def replay_of(said):
    recorded = iter(said)
    return lambda _octets: next(recorded)


@CIPHERINGS
def test_a_recorded_session_of_a_low_level_client_is_refused_at_its_first_octets(ciphering):
    how = LOW | {"ciphering": ciphering}
    first = ClientAssociation(client_settings(**how))
    events, said = session(first, meter_that_begins_with(7, **how))
    assert [type(event) for event in events] == [AssociationOpened, GetSucceeded, Released]
    assert first.last_heard_counter > 7
    unaware = ClientAssociation(client_settings(**how), invocation_counter=500)
    assert len(session(unaware, replay_of(said))[0]) == 3  # nothing in the recording says that it is one
    aware = ClientAssociation(client_settings(**how), invocation_counter=500, heard=first.last_heard_counter)
    with pytest.raises(CounterWentBack, match="counter went back: 7 came after"):
        session(aware, replay_of(said))
    assert aware.last_heard_counter == first.last_heard_counter


@CIPHERINGS
def test_a_meter_that_counts_on_is_heard(ciphering):
    how = LOW | {"ciphering": ciphering}
    first = ClientAssociation(client_settings(**how))
    session(first, meter_that_begins_with(7, **how))
    heard = first.last_heard_counter
    second = ClientAssociation(client_settings(**how), heard=heard)
    events, _ = session(second, meter_that_begins_with(heard + 1, **how))
    assert len(events) == 3
    assert second.last_heard_counter > heard


def test_within_an_association_a_counter_that_came_before_is_told_as_ever():
    first = ClientAssociation(client_settings(**LOW), heard=3)
    _, said = session(first, meter_that_begins_with(7, **LOW))
    again = ClientAssociation(client_settings(**LOW), heard=3)
    with pytest.raises(Replayed) as told:
        session(again, replay_of([said[0], said[1], said[1]]))
    assert not isinstance(told.value, CounterWentBack)


def test_without_ciphering_there_is_no_counter():
    plain = ClientAssociation(client_settings(Mechanism.NONE, Ciphering.NONE), heard=9)
    assert plain.last_heard_counter == -1
