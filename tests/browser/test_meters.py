"""The list of meters: search, filters, order, keyboard, live values, 300,000 rows, CSV, and its troubles."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints, until
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def serials(page: Page) -> list[str]:
    """Serials in sight, top to bottom."""
    return page.locator("tbody a .first").all_inner_texts()


def test_search_finds_while_typing_and_stands_in_the_address(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    operator.keyboard.press("/")
    operator.keyboard.type("flat 30")
    expect(operator.locator("tbody a")).to_have_count(3)
    expect(operator).to_have_url("/meters?q=flat+30")
    expect(operator.get_by_role("status").filter(has_text="3 meters")).to_be_visible()
    operator.reload()
    expect(operator.locator("tbody a")).to_have_count(3)
    expect(operator.get_by_role("searchbox")).to_have_value("flat 30")


def test_filters_tell_how_many_they_leave_and_can_be_cleared(operator: Page, room: MockControlRoom) -> None:
    room.reset("city")
    room.session = "operator"
    operator.goto("/meters")
    expect(operator.get_by_role("status").filter(has_text="3,00,000 meters")).to_be_visible()
    division = operator.get_by_label("Division")
    expect(division.locator("option")).to_have_count(7)
    division.select_option("Jajmau")
    operator.get_by_role("radio", name="silent").check(force=True)
    expect(operator).to_have_url("/meters?division=Jajmau&state=silent")
    expect(operator.locator("tbody tr.silent").first).to_be_visible()
    assert operator.locator("tbody tr.heard").count() == 0
    expect(division.locator("option:checked")).to_have_text(re.compile(r"^Jajmau division \("))
    operator.get_by_role("button", name="Clear").click()
    expect(operator).to_have_url("/meters")
    expect(division).to_have_value("")


def test_columns_sort_both_ways(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    operator.get_by_role("button", name="Power W").click()
    expect(operator).to_have_url("/meters?sort=power_w")
    header = operator.get_by_role("columnheader", name="Power W")
    expect(header).to_have_attribute("aria-sort", "ascending")
    operator.get_by_role("button", name="Power W").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(operator).to_have_url("/meters?sort=power_w&direction=desc")
    top = max(range(12), key=lambda n: room.town.power[n]) + 1
    expect(operator.locator("tbody a .first").first).to_have_text(room.town.serial(top))


def test_the_keyboard_alone_goes_through_the_table_and_opens_a_meter(
    operator: Page, room: MockControlRoom
) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    operator.keyboard.press("/")
    operator.keyboard.press("ArrowDown")
    expect(operator.locator("[data-place='0']")).to_be_focused()
    operator.keyboard.press("ArrowDown")
    operator.keyboard.press("ArrowDown")
    expect(operator.locator("[data-place='2']")).to_be_focused()
    operator.keyboard.press("End")
    expect(operator.locator("[data-place='11']")).to_be_focused()
    operator.keyboard.press("Home")
    operator.keyboard.press("Enter")
    expect(operator).to_have_url("/meters/1")
    operator.keyboard.press("g")
    operator.keyboard.press("t")
    expect(operator).to_have_url("/trial")
    operator.keyboard.press("g")
    operator.keyboard.press("m")
    expect(operator).to_have_url("/meters")


def test_keys_are_shown_and_can_be_switched_off(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    operator.keyboard.press("?")
    dialog = operator.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Single-key shortcuts").uncheck()
    operator.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    operator.keyboard.press("g")
    operator.keyboard.press("t")
    operator.keyboard.press("?")
    expect(dialog).to_be_hidden()
    expect(operator).to_have_url("/meters")


def test_three_lakh_rows_scroll_to_the_end_with_few_of_them_on_the_page(
    operator: Page, room: MockControlRoom
) -> None:
    room.reset("city")
    room.session = "operator"
    operator.goto("/meters")
    operator.locator("[data-place='0']").focus()
    operator.keyboard.press("End")
    expect(operator.locator("[data-place='299999']")).to_be_focused()
    assert serials(operator)[-1] == "BJ10300000"
    operator.keyboard.press("PageUp")
    expect(operator.locator("[data-place]:focus")).to_be_visible()
    place = operator.locator(":focus").get_attribute("data-place")
    assert 299_950 < int(place) < 299_990
    operator.keyboard.press("PageUp")
    operator.keyboard.press("PageDown")
    expect(operator.locator(f"[data-place='{place}']")).to_be_focused()
    assert operator.locator("tbody tr").count() < 80
    assert operator.locator("table").get_attribute("aria-rowcount") == "300001"
    # Only the meters in sight are followed live, together.
    operator.wait_for_function("document.querySelector('[data-live=live]') !== null")
    until(operator, lambda: any(299_990 in window for window in room.windows))
    assert max(len(window) for window in room.windows) < 80
    assert max(len(topics) for topics in room.subscriptions) < 4


def test_a_link_s_filter_is_seen_and_can_be_taken_away(operator: Page, room: MockControlRoom) -> None:
    room.reset("city")
    room.session = "operator"
    operator.goto("/meters?tower=tower-3")
    count = operator.get_by_role("status").filter(has_text="meters")
    expect(count).to_have_text("11,136 meters")
    operator.get_by_role("button", name="Show not only Tower tower-3").click()
    expect(operator).to_have_url("/meters")
    expect(count).to_have_text("3,00,000 meters")


def test_values_change_in_place(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    cell = operator.locator("tbody tr").first.locator(".power_w")
    before = cell.inner_text()
    expect(cell).not_to_have_text(before)
    expect(operator.locator("[data-live]")).to_have_text("live")


def test_state_is_told_by_word_and_shape_not_by_colour_alone(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    drawings = {}
    for state in ("heard", "late", "silent"):
        row = operator.locator(f"tbody tr.{state}").first
        expect(row.locator(".state")).to_have_text(state)
        drawings[state] = row.locator(".state svg").inner_html()
    assert len(set(drawings.values())) == 3


def test_csv_holds_the_rows_of_the_view(operator: Page, room: MockControlRoom, tmp_path: Path) -> None:
    operator.goto("/meters?q=flat+30&sort=power_w&direction=desc")
    expect(operator.locator("tbody a")).to_have_count(3)
    with operator.expect_download() as begun:
        operator.get_by_role("link", name="CSV of this view").click()
    assert begun.value.suggested_filename == "meters-2026-06-12.csv"
    kept = tmp_path / "meters.csv"
    begun.value.save_as(kept)
    rows = list(csv.DictReader(kept.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["serial"] for row in rows] == serials(operator)
    assert operator.url.endswith("/meters?q=flat+30&sort=power_w&direction=desc")


def test_nothing_found_and_nothing_registered_are_said(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters?q=nobody")
    expect(operator.get_by_text("No meter fits.")).to_be_visible()
    room.reset("empty")
    room.session = "operator"
    operator.goto("/meters")
    expect(operator.get_by_text("No meters are registered yet.")).to_be_visible()


def test_a_failing_server_is_told_and_can_be_asked_again(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 500")
    room.failing["/api/meters"] = 500
    operator.goto("/meters")
    expect(operator.get_by_role("alert")).to_contain_text("The server failed.")
    room.failing.clear()
    operator.get_by_role("button", name="Try again").click()
    expect(operator.locator("tbody a")).to_have_count(12)


def test_a_slow_server_shows_that_something_is_on_its_way(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    room.slow_s = 1.0
    operator.reload()
    expect(operator.locator("[aria-busy=true], .skeleton").first).to_be_visible()
    expect(operator.locator("tbody a")).to_have_count(12)


def test_an_interrupted_feed_is_seen_and_comes_back_by_itself(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("WebSocket")
    operator.goto("/meters")
    feed = operator.locator("[data-live]")
    expect(feed).to_have_text("live")
    room.live_open = False
    expect(feed).to_have_text("stale")
    room.live_open = True
    expect(feed).to_have_text("live")


def test_a_page_without_network_says_so_and_recovers(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected += ["ERR_INTERNET_DISCONNECTED", "WebSocket"]
    operator.goto("/trial")
    expect(operator.locator(".banner")).to_be_visible()
    operator.get_by_role("link", name="Meters", exact=True).click()
    expect(operator.locator("tbody a")).to_have_count(12)
    operator.context.set_offline(True)
    operator.get_by_role("link", name="Field trial").click()
    expect(operator.get_by_role("alert")).to_contain_text("The control room’s server does not answer.")
    operator.context.set_offline(False)
    operator.get_by_role("button", name="Try again").click()
    expect(operator.locator(".banner")).to_be_visible()


def test_a_lost_frame_is_asked_for_anew(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/trial")
    expect(operator.locator("[data-live]")).to_have_text("live")
    expect(operator.locator(".banner")).to_be_visible()
    until(operator, lambda: {"status", "trial"} <= {*room.subscriptions[-1]})
    before = len(room.subscriptions)
    room.lose_a_frame = True
    until(operator, lambda: len(room.subscriptions) > before)
    assert len(room.subscriptions) == before + 1
    assert room.subscriptions[-1] == room.subscriptions[-2]


def test_alarms_stand_above_everything(operator: Page, room: MockControlRoom) -> None:
    room.headend_alive = False
    room.alarms = [
        {"code": "head-end-silent", "since": "2026-06-12T17:30:00Z", "detail": "head-end-1 has not spoken"},
        {"code": "an-alarm-from-the-future", "since": None, "detail": "unheard of"},
    ]
    operator.goto("/meters")
    strip = operator.get_by_role("region", name="Alarms")
    expect(strip).to_contain_text("2 alarms")
    expect(strip).to_contain_text("A head-end is silent: its meters are not read")
    expect(strip).to_contain_text("since 12 Jun, 23:00 IST")
    strip.get_by_role("button", name="1 more").click()
    expect(strip).to_contain_text("an-alarm-from-the-future")
    expect(operator.get_by_text("not reading", exact=True)).to_be_visible()


def test_an_alarm_s_detail_is_told_in_the_language_of_the_page(operator: Page, room: MockControlRoom) -> None:
    room.language = "hi"
    room.alarms = [
        {"code": "readings-not-stored", "since": None, "detail": "disk full", "detail_hi": "डिस्क भरी"},
        {"code": "store", "since": None, "detail": "a new trouble", "detail_hi": ""},
    ]
    operator.add_init_script("localStorage.setItem('bijlighar.language', 'hi')")
    operator.goto("/meters")
    strip = operator.locator(".alarms")
    expect(strip.locator("[lang=hi]").filter(has_text="डिस्क भरी")).to_be_visible()
    strip.get_by_role("button").click()
    expect(strip.locator("[lang=en]").filter(has_text="a new trouble")).to_be_visible()


def test_an_unknown_page_is_said_to_be_none(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/no/such/page")
    expect(operator.get_by_text("There is no page at /no/such/page.")).to_be_visible()
    operator.get_by_role("link", name="To the meters").click()
    expect(operator).to_have_url("/meters")
