"""Service levels: bars kept and missed, the picture and its table, faults that lead to meters, other days."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def test_bars_are_told_by_word_shape_and_number(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    bars = operator.get_by_role("table", name="Bars by kind")
    block = bars.get_by_role("row", name="Block load")
    missed = block.locator("td.missed")
    expect(missed).to_have_count(1)
    expect(missed).to_contain_text("missed")
    assert block.get_by_text("kept").count() == 3
    assert missed.locator("svg").inner_html() != block.locator("td svg").last.inner_html()
    times = operator.get_by_role("table", name="Answering times")
    expect(times.get_by_role("row", name="Read on demand, 99 in 100")).to_contain_text("412.0 s")


def test_the_picture_has_its_table_and_turns_to_other_kinds(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    picture = operator.get_by_role("img", name="Completeness by the hour")
    expect(picture).to_have_attribute("aria-label", operator_label("Block load"))
    assert picture.locator("rect.bar").count() == 19
    assert picture.locator("rect.missed").count() == 1
    operator.get_by_role("button", name="Show as a table").click()
    table = operator.get_by_role("table", name="Completeness by the hour")
    expect(table.get_by_role("row", name="08:00")).to_contain_text("95.0%")
    operator.get_by_role("radio", name="Midnight registers").check(force=True)
    expect(picture).to_have_attribute("aria-label", operator_label("Midnight registers"))


def operator_label(kind: str) -> re.Pattern[str]:
    """The picture says in words what it shows."""
    return re.compile(rf"^Completeness by the hour\. {kind}: .* rows held\. bar 08:00 95\.0%: 9\d\.\d\d%")


def test_faults_stand_in_order_and_lead_to_their_meters(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    faults = operator.get_by_role("table", name="Faults, the costliest first")
    first = faults.locator("tbody tr").first
    expect(first).to_contain_text("silent tower")
    expect(first).to_contain_text("86 meters")
    addresses = faults.locator("a").evaluate_all("links => links.map(each => each.getAttribute('href'))")
    assert addresses[:4] == ["/meters?tower=tower-0", "/meters?maker=Maker+A", "/meters?feeder=F003", "/meters/7"]
    first.get_by_role("link").click()
    expect(operator).to_have_url("/meters?tower=tower-0")
    operator.go_back()
    expect(faults).to_be_visible()


def test_places_are_told_by_name_the_least_complete_first(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    places = operator.get_by_role("table", name="Block load and midnight registers by place")
    expect(places.locator("tbody a").first).to_have_text("Bijlighar Parade division")
    expect(places.locator("tbody a").first).to_have_attribute("href", "/meters?division=Bijlighar+Parade")
    operator.get_by_role("radio", name="Feeder").check(force=True)
    expect(places.locator("tbody tr")).to_have_count(12)
    operator.get_by_role("button", name="Show more").click()
    expect(places.locator("tbody tr")).to_have_count(30)
    operator.get_by_role("radio", name="Transformer").check(force=True)
    expect(operator.get_by_text("The registry names none.")).to_be_visible()


def test_days_are_turned_by_key_and_stand_in_the_address(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    days = operator.get_by_role("group", name="Day")
    expect(days).to_contain_text("11 Jun")
    operator.keyboard.press("ArrowLeft")
    expect(operator).to_have_url("/service-levels?day=2026-06-10")
    expect(days).to_contain_text("10 Jun")
    operator.get_by_role("button", name="Yesterday").click()
    expect(operator).to_have_url("/service-levels")
    room.levels = "running"
    operator.keyboard.press("ArrowRight")
    expect(operator).to_have_url("/service-levels?day=2026-06-12")
    expect(operator.get_by_text("Cut-offs are still to come")).to_be_visible()
    assert operator.locator("rect.ahead").count() == 16
    expect(operator.get_by_role("button", name="Day after")).to_be_disabled()
    with operator.expect_download() as begun:
        operator.get_by_role("link", name="Download CSV").click()
    assert begun.value.suggested_filename == "service-levels.csv"


def test_a_failing_server_is_told_and_can_be_asked_again(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 500")
    room.failing["/api/service-levels"] = 500
    operator.goto("/service-levels")
    expect(operator.get_by_role("alert")).to_contain_text("The server failed.")
    room.failing.clear()
    operator.get_by_role("button", name="Try again").click()
    expect(operator.locator("#groups-title")).to_be_visible()


def test_a_day_without_meters_and_one_without_faults_say_so(operator: Page, room: MockControlRoom) -> None:
    room.levels = "none"
    operator.goto("/service-levels")
    expect(operator.get_by_text("No meter was in service all of this day.")).to_be_visible()
    room.levels = "good"
    operator.reload()
    expect(operator.get_by_text("No fault: whatever was tried was read.")).to_be_visible()
    bars = operator.get_by_role("table", name="Bars by kind")
    assert bars.locator("td.missed").count() == 0


def test_the_print_holds_every_table_and_no_buttons(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/service-levels")
    expect(operator.locator("#groups-title")).to_be_visible()
    operator.emulate_media(media="print")
    expect(operator.get_by_role("button", name="Print")).to_be_hidden()
    for title in ("#hours-title", "#kinds-title", "#faults-title", "#groups-title"):
        expect(operator.locator(title)).to_be_visible()
