"""The field trial: verdict, findings, scorecard, comparison, and the sheet of paper that is signed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def test_a_failed_trial_says_why_in_sentences(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    banner = operator.get_by_role("region", name="Failed")
    expect(banner).to_contain_text("4 of 9 limits are not kept: Sessions that succeed, all meters;")
    expect(banner).to_contain_text("2 meters have findings.")
    findings = operator.get_by_role("region", name="Findings")
    expect(findings.get_by_role("heading", level=3)).to_have_text(
        ["Bad meter 1", "Drifting clock 1", "Silent tower 1"]
    )
    expect(findings).to_contain_text("1201 of 1718 sessions succeeded")
    findings.get_by_role("link", name="drifts +41.2 s a day").click()
    expect(operator).to_have_url("/meters/10")


def test_sentences_follow_the_language(operator: Page, room: MockControlRoom) -> None:
    room.language = "hi"
    operator.goto("/trial")
    operator.get_by_role("button", name="Your menu").click()
    operator.get_by_role("radio", name="हिन्दी").check(force=True)
    operator.keyboard.press("Escape")
    expect(operator.get_by_role("heading", level=1)).to_have_text("क्षेत्र परीक्षण स्वीट होम अपार्टमेंट, 11 मीटर")
    expect(operator.get_by_role("region", name="निष्कर्ष")).to_contain_text("प्रतिदिन +41.2 सेकंड खिसकती है")


def test_a_passed_trial_and_a_running_one(operator: Page, room: MockControlRoom) -> None:
    room.trial = "pass"
    operator.goto("/trial")
    expect(operator.get_by_role("region", name="Passed")).to_contain_text("All 9 limits are kept.")
    expect(operator.get_by_text("Nothing to report: every meter behaves as it should.")).to_be_visible()
    room.trial = "running"
    operator.goto("/trial")
    banner = operator.get_by_role("region", name="Running")
    expect(banner).to_contain_text("Day 2 of 3. 6 of 9 limits are kept so far.")
    expect(banner).to_contain_text("not been compared")
    expect(operator.get_by_role("region", name="Limits")).to_contain_text("not yet reached")


def test_no_trial_is_said_to_be_none(operator: Page, room: MockControlRoom, complaints: Complaints) -> None:
    complaints.expected.append("status of 404")
    room.trial = "none"
    operator.goto("/trial")
    expect(operator.get_by_text("No field trial is set up.")).to_be_visible()


def test_the_scorecard_marks_what_breaks_a_limit_and_opens_gaps(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    card = operator.get_by_role("table", name="Scorecard per meter")
    bad = card.locator("tbody tr").filter(has_text="BJ10000007").first
    expect(bad).to_contain_text("Failed")
    expect(bad.locator(".broken")).to_have_text(["70.2%", "1,542 / 1,632"])
    card.get_by_role("button", name="14 gaps of BJ10000007").click()
    gaps = operator.get_by_role("table", name="14 gaps of BJ10000007")
    expect(gaps.locator("tbody tr")).to_have_count(14)
    expect(gaps).to_contain_text("the tower is silent")
    expect(gaps).to_contain_text("3 Jun, 05:00 IST (3 hours)")


def test_the_slot_map_has_words_for_who_cannot_see_it(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    strip = operator.get_by_role("img", name="BJ10000010: 1,626 of 1,632 slots held.")
    expect(strip).to_have_attribute(
        "aria-label",
        "BJ10000010: 1,626 of 1,632 slots held. 3 Jun, 02:00 IST to 3 Jun, 05:00 IST: 6 slots, silent tower.",
    )
    expect(operator.locator(".strip [role=img]")).to_have_count(11)


def test_all_values_are_compared_with_progress(operator: Page, room: MockControlRoom) -> None:
    room.trial = "running"
    operator.goto("/trial")
    operator.get_by_role("button", name="Compare all values with the meters").click()
    expect(operator.get_by_role("progressbar")).to_be_visible()
    room.trial = "pass"
    expect(operator.get_by_text("All values have been compared with the meters.")).to_be_visible()
    expect(operator.get_by_role("region", name="Passed")).to_be_visible()
    assert any(path == "/api/trial/checks" for _, path, _ in room.asked)


def test_the_sheet_is_downloaded(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    with operator.expect_download() as begun:
        operator.get_by_role("link", name="Download CSV").click()
    assert begun.value.suggested_filename == "trial.csv"


def test_paper_holds_the_scorecard_and_a_place_to_sign_but_no_shell(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    expect(operator.get_by_role("region", name="Failed")).to_be_visible()
    operator.emulate_media(media="print")
    for hidden in (".bar", "nav", ".actions", ".skip", ".toasts"):
        expect(operator.locator(hidden).first).to_be_hidden()
    expect(operator.get_by_text("Name, office and signature")).to_be_visible()
    expect(operator.get_by_text("Printed 12 Jun, 23:10 IST by Meera Srivastava")).to_be_visible()
    assert operator.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    # Nothing scrolls on paper: the page is as high as its content.
    assert operator.evaluate("getComputedStyle(document.querySelector('main')).overflow") == "visible"
    paper = operator.pdf(prefer_css_page_size=True)
    assert 3 <= paper.count(b"/Type /Page\n") <= 4
