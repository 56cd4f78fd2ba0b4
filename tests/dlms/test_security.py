import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import (
    CountersSpent,
    LocalProtocolError,
    Malformed,
    NotAuthentic,
    RemoteProtocolError,
    Replayed,
    SuiteNotSupported,
    Truncated,
)
from bijlighar.dlms.security import (
    ChallengePadding,
    SecurityControl,
    SecurityMaterial,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
    unwrap_key,
    wrap_key,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "security-suite-0.json").read_text())
PEER = bytes.fromhex(VECTORS["client_title"])
GET = bytes.fromhex("C0010000080000010000FF0200")


def octets(text):
    return bytes.fromhex(text)


def material(title=VECTORS["server_title"]):
    return SecurityMaterial(
        system_title=octets(title),
        encryption_key=octets(VECTORS["encryption_key"]),
        authentication_key=octets(VECTORS["authentication_key"]),
    )


def pair(protection=0x30, **other):
    mine, theirs = octets(VECTORS["server_title"]), PEER
    sender = SecureChannel(material(), theirs, protection, other.get("counter", 0), 100)
    receiver = SecureChannel(material(VECTORS["client_title"]), mine, other.get("required", protection), 0, 100)
    return sender, receiver


@pytest.mark.parametrize("vector", VECTORS["glo"], ids=lambda vector: vector["case"])
def test_the_printed_examples_both_ways(vector):
    control, counter = int(vector["control"], 16), int(vector["counter"], 16)
    plain, ciphered = octets(vector["plain"]), octets(vector["ciphered"])
    sender = SecureChannel(material(vector["title"]), PEER, control, counter, 1)
    assert sender.seal_glo(plain) == ciphered
    receiver = SecureChannel(material(VECTORS["client_title"]), octets(vector["title"]), control, 0, 1)
    assert receiver.open(ciphered) == plain
    assert receiver.last_accepted == counter


@pytest.mark.parametrize("vector", VECTORS["hls_gmac"], ids=lambda vector: vector["case"])
def test_the_printed_proofs(vector):
    suite, title, challenge = material().suite, octets(vector["title"]), octets(vector["challenge"])
    proof = octets(vector["proof"])
    assert hls_gmac(suite, title, int(vector["counter"], 16), challenge) == proof
    check_hls_gmac(suite, title, challenge, proof)
    for position in range(len(proof)):
        forged = bytearray(proof)
        forged[position] ^= 1
        with pytest.raises(NotAuthentic):
            check_hls_gmac(suite, title, challenge, bytes(forged))
    with pytest.raises(NotAuthentic):
        check_hls_gmac(suite, title, challenge, proof[:-1])


def test_key_wrap_is_that_of_rfc_3394():
    vector = VECTORS["key_wrap"]
    kek, key, wrapped = (octets(vector[name]) for name in ("key_encryption_key", "key", "wrapped"))
    assert wrap_key(key, kek) == wrapped
    assert unwrap_key(wrapped, kek) == key
    with pytest.raises(NotAuthentic):
        unwrap_key(wrapped[:-1] + b"\x00", kek)
    with pytest.raises(Truncated):
        unwrap_key(wrapped[:16], kek)
    with pytest.raises(LocalProtocolError):
        wrap_key(key[:-1], kek)


def test_mechanism_2_is_one_block_of_aes():
    vector = VECTORS["hls_aes"]
    secret, challenge = vector["secret_ascii"].encode(), octets(vector["challenge"])
    assert hls_aes(secret, challenge) == octets(vector["proof"])
    assert hls_aes(secret, challenge, ChallengePadding.ZEROS) == octets(vector["proof"])


def test_mechanism_2_fills_other_lengths_as_the_make_does():
    secret = VECTORS["hls_aes"]["secret_ascii"].encode()
    assert hls_aes(secret, bytes(10)) == hls_aes(secret, bytes(10) + b"\x06" * 6)
    assert hls_aes(secret, bytes(10), ChallengePadding.ZEROS) == hls_aes(secret, bytes(16))
    with pytest.raises(LocalProtocolError):
        hls_aes(b"short", bytes(16))


@given(st.binary(max_size=300), st.sampled_from([0x10, 0x20, 0x30]), st.booleans())
def test_what_is_sealed_is_opened(body, protection, general):
    sender, receiver = pair(protection)
    plain = b"\xc4" + body
    sealed = sender.seal_general(plain) if general else sender.seal_glo(plain)
    assert receiver.open(sealed) == plain


@pytest.mark.parametrize("protection", [0x10, 0x30])
@pytest.mark.parametrize("general", [True, False])
def test_a_bit_flipped_anywhere_is_refused(protection, general):
    sender, _ = pair(protection)
    sealed = sender.seal_general(GET) if general else sender.seal_glo(GET)
    for bit in range(8 * len(sealed)):
        _, receiver = pair(protection)
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            receiver.open(bytes(forged))
        assert receiver.last_accepted == -1


def test_an_apdu_cut_anywhere_is_refused():
    sender, receiver = pair()
    sealed = sender.seal_general(GET)
    for size in range(1, len(sealed)):
        with pytest.raises(RemoteProtocolError):
            receiver.open(sealed[:size])


def test_a_tag_that_is_not_whole_is_refused_in_a_frame_that_adds_up():
    _, receiver = pair()
    for size in range(12):
        with pytest.raises(NotAuthentic):
            receiver.open(bytes([0xCC, 5 + size, 0x30, 0, 0, 0, 9]) + bytes(size))


def test_a_counter_that_was_accepted_or_is_older_is_refused():
    sender, receiver = pair(counter=5)
    first, second = sender.seal_general(GET), sender.seal_general(GET)
    receiver.open(second)
    for old in (first, second):
        with pytest.raises(Replayed) as caught:
            receiver.open(old)
        assert caught.value.last_accepted == 6
    assert receiver.open(sender.seal_general(GET)) == GET


def test_a_first_counter_of_zero_is_accepted():
    sender, receiver = pair(counter=0)
    assert receiver.open(sender.seal_glo(GET)) == GET
    assert receiver.last_accepted == 0


def test_a_forged_frame_does_not_move_the_counter():
    sender, receiver = pair(counter=5)
    good = sender.seal_general(GET)
    forged = good[:12] + b"\xff\xff\xff\xff" + good[16:]
    with pytest.raises(NotAuthentic):
        receiver.open(forged)
    assert receiver.open(good) == GET


def test_own_counters_end_with_the_reserved_block():
    channel = SecureChannel(material(), PEER, 0x30, 10, 2)
    channel.seal_glo(GET)
    channel.seal_glo(GET)
    with pytest.raises(CountersSpent, match="invocation counter 12"):
        channel.seal_glo(GET)
    assert channel.next_counter == 12


def test_own_counters_end_with_32_bits():
    channel = SecureChannel(material(), PEER, 0x30, 0xFFFFFFFF, 1000)
    channel.seal_glo(GET)
    with pytest.raises(CountersSpent):
        channel.seal_glo(GET)


@pytest.mark.parametrize("required", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("given_protection", [0x10, 0x20, 0x30])
def test_less_protection_than_required_is_refused(required, given_protection):
    sender, receiver = pair(given_protection, required=required)
    sealed = sender.seal_general(GET)
    if given_protection & required == required:
        assert receiver.open(sealed) == GET
    else:
        with pytest.raises(NotAuthentic):
            receiver.open(sealed)


@pytest.mark.parametrize(("suite", "name"), [(1, "ECDH-ECDSA-AES-GCM-128"), (2, "AES-GCM-256"), (3, "unknown")])
def test_other_suites_are_refused_by_name(suite, name):
    sender, receiver = pair()
    sealed = bytearray(sender.seal_glo(GET))
    sealed[2] |= suite
    with pytest.raises(SuiteNotSupported, match=name) as caught:
        receiver.open(bytes(sealed))
    assert caught.value.suite == suite


@pytest.mark.parametrize("control", [0x00, 0x40, 0x70, 0xB0])
def test_no_protection_broadcast_key_and_compression_are_refused(control):
    sender, receiver = pair(0x20)
    sealed = bytearray(sender.seal_glo(GET))
    sealed[2] = control
    with pytest.raises(RemoteProtocolError):
        receiver.open(bytes(sealed))


def test_another_title_and_an_unprotected_apdu_are_refused():
    sender, receiver = pair()
    sealed = sender.seal_general(GET)
    with pytest.raises(NotAuthentic):
        receiver.open(sealed[:2] + bytes(8) + sealed[10:])
    with pytest.raises(NotAuthentic):
        receiver.open(GET)


def test_a_glo_tag_that_promises_another_service_is_refused():
    sender, receiver = pair()
    with pytest.raises(Malformed):
        receiver.open(b"\xcc" + sender.seal_glo(GET)[1:])


def test_material_of_another_size_is_our_fault_and_keys_stay_out_of_its_words():
    with pytest.raises(LocalProtocolError):
        SecurityMaterial(system_title=bytes(7), encryption_key=bytes(16), authentication_key=bytes(16))
    with pytest.raises(LocalProtocolError):
        SecurityMaterial(system_title=bytes(8), encryption_key=bytes(32), authentication_key=bytes(16))
    assert "0001020304" not in repr(material())
    assert "\\x01\\x02" not in repr(material())


def test_a_protection_that_is_none_is_our_fault():
    with pytest.raises(LocalProtocolError):
        material().suite.seal(int(SecurityControl.BROADCAST_KEY), PEER + bytes(4), b"")
    with pytest.raises(LocalProtocolError):
        SecureChannel(material(), PEER, 0x30, 0, 9).seal_glo(b"\x0f")


@pytest.mark.parametrize("seal", ["seal_general", "seal_glo"])
@pytest.mark.parametrize("size", [1, 0x6E, 0x6F, 0x70, 0xED, 0xEE, 0xEF, 0x3E2])
def test_a_ciphered_apdu_is_opened_in_every_form_of_its_length_and_only_when_that_is_true(seal, size):
    title = octets(VECTORS["server_title"])
    sender = SecureChannel(material(), PEER, 0x30, 1, 10)
    plain = (GET + bytes(size))[:size]
    sealed = getattr(sender, seal)(plain)
    at = 10 if seal == "seal_general" else 1
    behind = at + (1 if sealed[at] < 0x80 else 1 + (sealed[at] & 0x7F))
    length = len(sealed) - behind

    def opened(told):
        receiver = SecureChannel(material(PEER.hex()), title, 0x30, 1, 10)
        return receiver.open(sealed[:at] + told + sealed[behind:])

    forms = [
        bytes([0x80 | width]) + length.to_bytes(width, "big") for width in (1, 2, 3) if length >> 8 * width == 0
    ]
    forms += [bytes([length])] if length < 0x80 else []
    assert [opened(form) for form in forms] == [plain] * len(forms)
    for form in forms:
        with pytest.raises(Truncated):
            opened(form[:-1] + bytes([form[-1] ^ 1]))
