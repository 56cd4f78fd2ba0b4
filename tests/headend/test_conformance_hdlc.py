"""The conformance suite over HDLC: virtual meters pass, and each way of being careless with the link is found."""

from dataclasses import replace

import pytest

from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, Role, frames, link
from bijlighar.dlms.hdlc.frames import POLL, Kind
from bijlighar.dlms.hdlc.negotiation import Agreement
from bijlighar.dlms.hdlc.sequence import Receiving
from bijlighar.dlms.hdlc.states import HEARD, LinkState
from bijlighar.headend.conformance import HDLC_CHECKS, Verdict
from bijlighar.headend.conformance.hdlc import HDLC

from .test_conformance import PLANTED, conformed, failed, named, verdicts

LINE = HdlcSettings(send_octets=512, receive_octets=512, send_window=3, receive_window=3)


@pytest.mark.parametrize("make", ["d2-18-columns", "is15959-d4-transformer"])
def test_a_meter_conforms_over_hdlc_too(make):
    report, _ = conformed(make=make, hdlc=LINE)
    found = verdicts(report)
    assert found[Verdict.FAILED] == set()
    assert found[Verdict.NOT_APPLICABLE] == set()
    assert len(report.findings) == len(HDLC_CHECKS) > len(HDLC) >= 15


def test_with_the_smallest_fields_and_one_frame_at_a_time_it_conforms():
    assert conformed(hdlc=HdlcSettings(send_octets=64, receive_octets=64))[0].conforms


def test_defects_above_the_link_are_found_over_hdlc():
    assert set(failed("short-rows:meter=3", hdlc=LINE)) == {
        "every row has as many cells as there are capture objects"
    }
    assert set(failed("changed-serial:meter=3", hdlc=LINE, checks=named("shows the serial"))) == {
        "the meter shows the serial that the register of meters holds"
    }


def test_a_meter_that_hangs_up_within_a_long_answer_is_found_over_hdlc():
    found = failed("reset-mid-block:meter=3", checks=named("a long value comes"), hdlc=LINE)
    assert set(found.values()) == {"the meter closed the connection"}


def test_under_another_address_the_meter_is_given_up():
    report, _ = conformed(hdlc=replace(LINE, address_octets=2), limits=PLANTED)
    assert [finding.detail for finding in report.findings[:3]] == ["no whole frame within 0.3 s"] * 3
    assert report.findings[3].detail == "not tried: the meter answers nothing"


def only_failure(part):
    """The detail of the one check of the link that is made, and fails."""
    [check] = named(part)
    found = failed(checks=[check], hdlc=LINE, limits=PLANTED)
    assert list(found) == [check.name]
    return found[check.name]


def of_the_meter(monkeypatch, name, change):
    """The link's method ``name`` becomes ``change(method, link, *arguments)`` on the meter's side."""
    method = getattr(HdlcLink, name)

    def changed(self, *arguments, **more):
        if self._is_client:
            return method(self, *arguments, **more)
        return change(method, self, *arguments, **more)

    monkeypatch.setattr(HdlcLink, name, changed)


def test_lengths_and_windows_that_nobody_offered(monkeypatch):
    monkeypatch.setattr(link, "agreed", lambda own, _peer: own)
    assert "were offered" in only_failure("a call is answered")
    assert "128 were offered" in only_failure("a call without parameters")
    assert "64 were offered" in only_failure("a long answer keeps")


def test_a_window_that_is_not_kept(monkeypatch):
    def wide(begin, self, agreement):
        begin(self, replace(agreement, send_window=7))
        self._agreement = agreement

    of_the_meter(monkeypatch, "_begin", wide)
    assert "frames came at once, 3 were offered" in only_failure("a long answer keeps")


def test_check_sequences_are_not_looked_at(monkeypatch):
    def lenient(body):
        middle = frames._address_end(body, 2)
        end = frames._address_end(body, middle)
        information = body[end + 3 : -2]
        return frames.Frame(body[2:middle], body[middle:end], body[end], information, bool(body[0] & 0x08))

    monkeypatch.setattr(frames, "decode_frame", lenient)
    assert only_failure("a wrong check sequence") == "it was answered by UA"
    assert only_failure("a wrong header check") == "it was answered by I"


def test_it_answers_to_any_address(monkeypatch):
    of_the_meter(monkeypatch, "_hear", lambda hear, self, frame: hear(self, replace(frame, destination=self._own)))
    assert only_failure("for another station") == "it was answered by UA"


def test_segments_are_taken_for_whole_questions(monkeypatch):
    take = Receiving.take
    monkeypatch.setattr(
        Receiving, "take", lambda self, number, octets, **_: take(self, number, octets, segmented=False)
    )
    assert only_failure("a question in many segments")


def test_a_question_is_served_as_often_as_it_comes(monkeypatch):
    take = Receiving.take

    def again(self, number, octets, *, segmented):
        self.expected = number
        return take(self, number, octets, segmented=segmented)

    monkeypatch.setattr(Receiving, "take", again)
    assert only_failure("said twice") in (
        "the same I frame was answered a second time",
        "the meter closed the connection",
    )


def test_answers_are_said_once_and_never_again(monkeypatch):
    of_the_meter(monkeypatch, "_take_word", _nothing_again)
    assert only_failure("did not arrive").startswith("the meter is polled for 0.3 s")


def _nothing_again(take_word, self, kind, *, whole):
    if kind is Kind.RR:
        self._sending._segments.clear()
    take_word(self, kind, whole=whole)


def test_a_poll_is_met_by_silence(monkeypatch):
    of_the_meter(monkeypatch, "_poll", lambda _poll, _self: None)
    assert "no whole frame" in only_failure("a poll without a question")


def test_a_second_call_is_met_by_silence(monkeypatch):
    monkeypatch.setitem(HEARD[Role.SERVER], LinkState.CONNECTED, {Kind.I: LinkState.CONNECTED})
    assert only_failure("a call within a link")


def test_questions_are_served_without_a_call(monkeypatch):
    def open_to_all(hear, self, frame):
        if self.disconnected and frame.kind is Kind.I:
            self._peer, self.state = frame.source, LinkState.CONNECTED
            self.peer_address = frame.source[0] >> 1
            self._begin(Agreement())
        hear(self, frame)

    of_the_meter(monkeypatch, "_hear", open_to_all)
    assert "answered by I" in only_failure("without a call")


def test_a_leave_changes_nothing(monkeypatch):
    def stays(hear, self, frame):
        if frame.kind is Kind.DISC:
            self._say(Kind.UA | POLL)
        else:
            hear(self, frame)

    of_the_meter(monkeypatch, "_hear", stays)
    assert "answered by I" in only_failure("a leave is answered")


def test_a_leave_is_refused(monkeypatch):
    of_the_meter(
        monkeypatch,
        "_hear_call",
        lambda hear, self, frame, kind, before: (
            self._say(Kind.RR | POLL) if kind is Kind.DISC else hear(self, frame, kind, before)
        ),
    )
    assert only_failure("a leave is answered") == "DISC is answered by RR"


def test_a_frame_that_does_not_exist_is_taken_for_a_poll(monkeypatch):
    of_the_meter(
        monkeypatch,
        "_hear",
        lambda hear, self, frame: (
            self._poll() or self._say(Kind.RR | POLL) if frame.kind is None else hear(self, frame)
        ),
    )
    assert only_failure("does not exist") == "control EFh is answered by RR"


def test_flags_between_frames_end_the_frame(monkeypatch):
    monkeypatch.setattr(
        HdlcLink,
        "receive_data",
        lambda self, octets: self._reader.receive_data(octets) if not octets.startswith(b"\x7e\x7e") else None,
    )
    assert "no whole frame" in only_failure("flags between")
