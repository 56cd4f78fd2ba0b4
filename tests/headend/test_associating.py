"""Settings that serve every visit, and are made anew when keys or model change."""

import secrets
from dataclasses import replace

import pytest

from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.security import ChallengePadding
from bijlighar.headend import associating
from bijlighar.headend.associating import READER, SETTING, KeptSettings, begin, passing_title
from bijlighar.headend.counters import Reserved

from .fakes import KEYS, OWN_TITLE
from .meters import D1

ACCESS = D1.associations[READER]


def kept(meter_id=1, model=D1, access=ACCESS, keys=KEYS, into=None):
    into = into or KeptSettings(OWN_TITLE, 1024)
    return into, into.of(meter_id, model, access, keys)


def test_the_same_settings_serve_the_next_visit_and_keep_the_key_schedule():
    into, first = kept()
    again = kept(keys=replace(KEYS), into=into)[1]
    assert again is first
    assert again.own.suite is first.own.suite


def test_other_keys_another_model_meter_or_association_have_settings_of_their_own():
    into, first = kept()
    new_keys = replace(KEYS, encryption_key=b"EncryptionKey002")
    changed = kept(keys=new_keys, into=into)[1]
    assert changed.own.encryption_key == b"EncryptionKey002"
    assert kept(keys=new_keys, into=into)[1] is changed
    padded = replace(D1, quirks=frozenset({Quirk.HLS_ZERO_PADDING}))
    assert kept(model=padded, keys=new_keys, into=into)[1].padding is ChallengePadding.ZEROS
    assert kept(meter_id=2, into=into)[1] is not first
    assert kept(access=D1.associations[SETTING], into=into)[1].secret == KEYS.setting_secret


def test_two_clients_of_one_meter_never_share_a_nonce():
    """One key, a counter for each client: found by the simulation's first quiet week with a wrong clock in it."""
    reader, setting = (kept(access=D1.associations[name])[1] for name in (READER, SETTING))
    assert reader.own.encryption_key == setting.own.encryption_key
    assert reader.own.system_title != setting.own.system_title
    assert {title[:3] for title in (reader.own.system_title, setting.own.system_title)} == {b"BJG"}


def test_counters_and_challenge_are_those_of_the_visit():
    settings = kept()[1]
    first = begin(settings, Reserved(first=7, count=3, fresh=False), b"a" * 16)
    second = begin(settings, Reserved(first=90, count=3, fresh=False), b"b" * 16)
    first.open()
    second.open()
    assert (first.next_invocation_counter, second.next_invocation_counter) == (8, 91)


def test_who_was_visited_longest_ago_is_let_go(monkeypatch):
    monkeypatch.setattr(associating, "MAX_KEPT", 2)
    into, first = kept(meter_id=1)
    second = kept(meter_id=2, into=into)[1]
    assert kept(meter_id=1, into=into)[1] is first
    kept(meter_id=3, into=into)
    assert kept(meter_id=1, into=into)[1] is first
    assert kept(meter_id=2, into=into)[1] is not second


def test_keys_that_are_missing_are_told_each_time_and_nothing_is_kept():
    into = KeptSettings(OWN_TITLE, 1024)
    assert ACCESS.ciphering is not Ciphering.NONE
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="encryption key"):
            kept(keys=replace(KEYS, encryption_key=b""), into=into)
    assert kept(into=into)[1].own.encryption_key == KEYS.encryption_key


def test_who_reads_without_the_records_never_has_a_title_of_a_head_end_or_of_another_reading():
    drawn = {passing_title(secrets.token_bytes) for _ in range(50)}
    assert len(drawn) == 50
    own = {(b"BJG" + number.to_bytes(5, "big"))[4:] for number in range(1, 2000)}
    assert {len(title) for title in drawn} == {8}
    assert {title[4:] for title in drawn}.isdisjoint(own)
    assert passing_title(bytes)[4:] not in own
