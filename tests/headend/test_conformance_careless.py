"""Meters that are careless in one way each: the check of that clause fails, so it could be seen to fail."""

import pytest

from bijlighar.dlms.association import admission
from bijlighar.dlms.association.admission import Admission
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.dlms.xdlms import DataAccessResult
from meterlab import access, associations
from meterlab.exchange import Exchange
from meterlab.objects import Objects

from .test_conformance import failed, named

GET_RESPONSE, BLOCK = 0xC4, 2


@pytest.fixture(autouse=True)
def _general_machine(monkeypatch):
    """Carelessness stands in the general machine; the shortcut of usual visits would pass it by."""
    monkeypatch.setattr("meterlab.exchange.Usual", lambda _lab: None)


def sealing(monkeypatch, change):
    """All plain answers of the meter go through ``change`` before they are sealed."""
    seal = Admission.seal
    monkeypatch.setattr(Admission, "seal", lambda self, apdu: seal(self, change(apdu)))


def only_failure(*parts):
    """The detail of the one failing check among those named."""
    [check] = named(*parts)
    found = failed(checks=[check])
    assert list(found) == [check.name]
    return found[check.name]


def altered(apdu, at, octet):
    return apdu[:at] + bytes([octet]) + apdu[at + 1 :]


def is_block(apdu):
    return apdu[:2] == bytes([GET_RESPONSE, BLOCK])


def test_any_password_is_good_enough(monkeypatch):
    monkeypatch.setattr(admission, "compare_digest", lambda _told, _known: True)
    assert only_failure("a wrong password") == "the association was opened"
    assert "one wrong bit was accepted" in only_failure("a wrong proof")


def test_a_mechanism_may_be_left_out(monkeypatch):
    monkeypatch.setattr(admission, "_judge_authentication", lambda _aarq, _access, _settings: b"")
    assert only_failure("leaves its mechanism out") == "the association was opened"


def test_challenges_repeat(monkeypatch):
    monkeypatch.setattr(access.secrets, "token_bytes", lambda size: bytes(range(size)))
    assert only_failure("each challenge") == "two associations were given the same challenge"


def test_every_stranger_is_the_public_client(monkeypatch):
    settings = access.server_settings

    def welcoming(lab, meter, client):
        known = settings(lab, meter, client if client in (16, 32, 48) else 16)
        known.accesses.update({client: next(iter(known.accesses.values()))})
        return known

    monkeypatch.setattr("meterlab.connection.server_settings", welcoming)
    assert only_failure("nobody knows") == "the association was opened"


def test_counters_are_not_looked_at(monkeypatch):
    heard = SecureChannel.open

    def forgetful(self, apdu):
        if self.own_title.startswith(b"ML"):
            self.last_accepted = -1
        return heard(self, apdu)

    monkeypatch.setattr(SecureChannel, "open", forgetful)
    assert "it was served" in only_failure("a question heard before")
    assert "opened an association again" in only_failure("an opening heard before")


def test_tags_are_not_looked_at(monkeypatch):
    heard = SecureChannel.open

    def trusting(self, apdu):
        if not self.own_title.startswith(b"ML") or apdu[0] != 0xC8:
            return heard(self, apdu)
        control, counter, body = apdu[2], apdu[3:7], apdu[7:]
        assert control == 0x30
        self.last_accepted = int.from_bytes(counter, "big")
        return self._suite.encrypt(self.peer_title + counter, body[:-12], None)[:-16]

    monkeypatch.setattr(SecureChannel, "open", trusting)
    assert "it was served" in only_failure("one wrong bit in its tag")


def test_plain_questions_are_served_in_a_ciphered_association(monkeypatch):
    heard = Admission.open
    monkeypatch.setattr(Admission, "open", lambda self, apdu: apdu if apdu[0] == 0xC0 else heard(self, apdu))
    assert "it was served: APDU CCh" in only_failure("a question without protection")


def test_answers_carry_another_invoke_id(monkeypatch):
    sealing(monkeypatch, lambda apdu: altered(apdu, 2, apdu[2] ^ 1) if apdu[0] == GET_RESPONSE else apdu)
    assert "invoke-id 0, 1 was asked" in only_failure("the invoke id")


def test_blocks_count_from_nought(monkeypatch):
    sealing(monkeypatch, lambda apdu: altered(apdu, 7, apdu[7] - 1) if is_block(apdu) else apdu)
    assert only_failure("a long value") == "block 0 came where block 1 was due"


def test_each_block_calls_itself_the_last(monkeypatch):
    sealing(monkeypatch, lambda apdu: altered(apdu, 3, 1) if is_block(apdu) else apdu)
    assert only_failure("a long value").startswith("Truncated:")


def test_answers_are_longer_than_the_client_can_receive(monkeypatch):
    monkeypatch.setattr(Admission, "room", property(lambda _self: MAX_FRAME_OCTETS))
    assert "128 were offered" in only_failure("no answer is longer")
    assert "came whole" in only_failure("a long value")


def test_more_is_granted_than_was_proposed(monkeypatch):
    monkeypatch.setattr(Admission, "conformance", property(lambda _self: 0xFFFFFF))
    assert "not proposed" in only_failure("nothing is granted")


class NeverBusy(set):
    def __contains__(self, _meter):
        return False


def test_two_callers_are_let_in_at_once(monkeypatch):
    made = Exchange.__init__

    def idle(self, **fields):
        made(self, **fields, busy=NeverBusy())

    monkeypatch.setattr(Exchange, "__init__", idle)
    assert only_failure("one association at a time") == "two associations are open at once"


def answering(monkeypatch, change):
    """Every answer of the objects goes through ``change`` with the attribute that was asked for."""
    get = Objects.get

    def changed(self, caller, ref, selection):
        return change(ref, selection, get(self, caller, ref, selection))

    monkeypatch.setattr(Objects, "get", changed)


@pytest.mark.parametrize(
    ("part", "telling"),
    [
        ("an object that is not there", "octets of data"),
        ("an attribute that is not there", "brought 2 octets"),
        ("what the list denies", "is readable"),
    ],
)
def test_everything_has_a_value(monkeypatch, part, telling):
    answering(
        monkeypatch,
        lambda _ref, _selection, answer: b"\x11\x00" if isinstance(answer, DataAccessResult) else answer,
    )
    assert telling in only_failure(part)


def test_selections_are_not_looked_at(monkeypatch):
    get = Objects.get
    monkeypatch.setattr(Objects, "get", lambda self, caller, ref, _selection: get(self, caller, ref, None))
    assert "lie outside the day" in only_failure("a range brings")
    assert "not been" in only_failure("a range without rows")
    assert "not those of these numbers" in only_failure("entries asked for")
    assert "rows of [5] cells" in only_failure("columns asked for")


def test_one_row_beyond_the_range_comes_too(monkeypatch):
    answering(monkeypatch, lambda _ref, selection, answer: one_more(answer) if selection else answer)
    assert only_failure("a range brings").startswith(("17 rows came", "1 of 49"))


def one_more(answer):
    """The first row of a buffer of fewer than 128 rows, twice."""
    rows, width = answer[1], (len(answer) - 2) // max(answer[1], 1)
    return bytes([1, rows + 1]) + answer[2 : 2 + width] + answer[2:] if rows else answer


def test_an_object_is_listed_twice(monkeypatch):
    listed = associations.object_list

    def doubled(objects, caller):
        entries = listed(objects, caller)
        return type(entries)(entries.tag, (entries.value[0], *entries.value))

    monkeypatch.setattr(associations, "object_list", doubled)
    assert only_failure("lists its objects").startswith("listed more than once")
