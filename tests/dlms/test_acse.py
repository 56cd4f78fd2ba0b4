import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.acse import (
    RLRE,
    RLRQ,
    Aare,
    Aarq,
    AssociationResult,
    Diagnostic,
    Release,
    _any_aare,
    _usual_acceptance,
    _usual_challenge,
    decode_aare,
    decode_aarq,
    decode_release,
)
from bijlighar.dlms.errors import Malformed, RemoteProtocolError, TooLarge

TITLES = st.none() | st.binary(min_size=8, max_size=8)
VALUES = st.none() | st.binary(min_size=1, max_size=200)
MECHANISMS = st.sampled_from([0, 1, 2, 5])
AARQS = st.builds(
    Aarq,
    context=st.sampled_from([1, 3]),
    mechanism=MECHANISMS,
    calling_title=TITLES,
    authentication_value=VALUES,
    user_information=VALUES,
)
AARES = st.builds(
    Aare,
    context=st.sampled_from([1, 3]),
    result=st.sampled_from([0, 1, 2]),
    diagnostic=st.sampled_from([0, 1, 2, 11, 13, 14, 101]),
    responding_title=TITLES,
    mechanism=MECHANISMS,
    authentication_value=VALUES,
    user_information=VALUES,
)
RELEASES = st.builds(Release, st.none() | st.sampled_from([0, 1, 30]), VALUES)


@given(AARQS)
def test_an_aarq_comes_back(aarq):
    assert decode_aarq(aarq.encode()) == aarq


@given(AARES)
def test_an_aare_comes_back(aare):
    assert decode_aare(aare.encode()) == aare


@given(RELEASES, st.sampled_from([RLRQ, RLRE]))
def test_a_release_comes_back(release, tag):
    assert decode_release(release.encode(tag), tag) == release


@given(AARQS, AARES, st.data())
def test_apdus_cut_anywhere_are_refused(aarq, aare, draw):
    for apdu, decode in ((aarq.encode(), decode_aarq), (aare.encode(), decode_aare)):
        with pytest.raises(RemoteProtocolError):
            decode(apdu[: draw.draw(st.integers(0, len(apdu) - 1))])


@given(st.binary(max_size=80), st.sampled_from([0x60, 0x61, 0x62]))
def test_any_content_gives_an_apdu_or_a_fault_of_the_peer(content, tag):
    apdu = bytes([tag, len(content)]) + content
    for decode in (decode_aarq, decode_aare, lambda octets: decode_release(octets, 0x62)):
        try:
            decode(apdu)
        except RemoteProtocolError:
            continue


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=60), st.sampled_from([2, 5]), st.data())
def test_the_usual_aare_is_read_at_fixed_offsets_as_by_the_general_reader(challenge, information, mechanism, draw):
    aare = Aare(
        context=3,
        result=0,
        diagnostic=14,
        responding_title=b"METER001",
        mechanism=mechanism,
        authentication_value=challenge,
        user_information=information,
    )
    apdu = aare.encode()
    assert (_usual_challenge(apdu) is not None) is (len(apdu) < 0x82)
    position = draw.draw(st.integers(0, len(apdu) - 1))
    changed = bytearray(apdu)
    changed[position] ^= draw.draw(st.integers(0, 255))
    for octets in (apdu, bytes(changed), apdu[: draw.draw(st.integers(0, len(apdu)))]):
        usual = _usual_challenge(octets)
        assert usual is None or usual == _any_aare(octets)


@given(st.binary(min_size=1, max_size=120), st.data())
def test_the_usual_acceptance_is_read_at_fixed_offsets_as_by_the_general_reader(information, draw):
    aare = Aare(context=3, result=0, diagnostic=0, responding_title=b"METER001", user_information=information)
    apdu = aare.encode()
    assert (_usual_acceptance(apdu) is not None) is (len(apdu) < 0x82)
    changed = bytearray(apdu)
    changed[draw.draw(st.integers(0, len(apdu) - 1))] ^= draw.draw(st.integers(0, 255))
    for octets in (apdu, bytes(changed), apdu[: draw.draw(st.integers(0, len(apdu)))]):
        usual = _usual_acceptance(octets)
        assert usual is None or usual == _any_aare(octets)


@given(st.binary(max_size=130), st.data())
def test_the_usual_release_is_read_at_fixed_offsets_as_by_the_general_reader(information, draw):
    apdu = bytearray(Release(0, information).encode(RLRE))
    assert decode_release(bytes(apdu), RLRE) == Release(0, information)
    apdu[draw.draw(st.integers(0, min(len(apdu) - 1, 8)))] ^= draw.draw(st.integers(1, 255))
    try:
        release = decode_release(bytes(apdu), RLRE)
    except RemoteProtocolError:
        return
    assert release.reason != 0 or release.encode(RLRE)[:1] == apdu[:1]


def test_the_public_clients_aarq_is_the_well_known_one():
    aarq = Aarq(context=1, user_information=bytes.fromhex("01000000065F1F0400007E1F04B0"))
    assert aarq.encode().hex().upper() == "601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0"


def test_a_password_stands_in_the_calling_authentication_value():
    aarq = Aarq(context=1, mechanism=1, authentication_value=b"12345678", user_information=b"\x01")
    assert aarq.encode().hex().upper() == (
        "6029A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE03040101"
    )


def test_a_refusal_of_the_provider_is_told_from_one_of_the_user():
    apdu = Aare(context=1, result=1, diagnostic=Diagnostic.PROVIDER + 2).encode()
    assert bytes.fromhex("A305A203020102") in apdu
    assert decode_aare(apdu).diagnostic == 102


def test_an_aare_without_a_result_is_a_rejection():
    assert decode_aare(b"\x61\x00").result == AssociationResult.REJECTED_PERMANENT


def test_fields_that_decide_nothing_are_passed_over_and_unknown_ones_are_not():
    qualifier = bytes.fromhex("A703040100")
    apdu = b"\x60" + bytes([len(qualifier)]) + qualifier
    assert decode_aarq(apdu) == Aarq(context=0)
    with pytest.raises(Malformed):
        decode_aarq(b"\x60\x02\xc1\x00")
    with pytest.raises(Malformed):
        decode_aare(b"\x61\x02\xc1\x00")
    with pytest.raises(Malformed):
        decode_release(b"\x62\x02\xc1\x00", RLRQ)


@pytest.mark.parametrize(
    "field",
    ["A109060760857405080201", "A10906072A857405080101", "A203040100", "A20402020000", "A305A003020100", "A300"],
)
def test_fields_that_say_nonsense_are_refused(field):
    octets = bytes.fromhex(field)
    with pytest.raises(Malformed):
        decode_aare(b"\x61" + bytes([len(octets)]) + octets)


def test_a_field_beyond_the_limit_is_refused():
    field = b"\xbe\x82\x10\x01" + bytes(0x1001)
    with pytest.raises(TooLarge):
        decode_aare(b"\x61\x82" + len(field).to_bytes(2, "big") + field)
