"""One meter: its values, its day, its past, and reading it now."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def test_a_meter_shows_what_it_said_and_when(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    expect(operator.get_by_role("heading", level=1)).to_have_text("Flat 101")
    expect(operator).to_have_title("Meter BJ10000003 – bijlighar")
    expect(operator.get_by_role("region", name="Power now")).to_contain_text(f"{room.town.power[2]} W")
    expect(operator.get_by_role("region", name="Power now")).to_contain_text("measured 12 Jun, 23:09 IST")
    expect(operator.get_by_text("closed, supply on")).to_be_visible()
    expect(operator.get_by_role("region", name="Registers")).to_contain_text("4,214.36 kWh")
    expect(operator.get_by_role("region", name="Nameplate")).to_contain_text("D1.04.17")
    expect(operator.get_by_role("region", name="Gaps in the block load")).to_contain_text("6 slots")


def test_power_follows_the_live_feed(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    number = operator.locator(".big")
    before = number.inner_text()
    expect(number).not_to_have_text(before)


def test_a_silent_meter_has_no_value_rather_than_zero(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/7")
    expect(operator.get_by_text("No value yet")).to_be_visible()
    expect(operator.locator(".head")).to_contain_text("silent")


def test_a_day_is_turned_by_buttons_and_arrow_keys(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Power over the day")
    expect(panel.locator("[data-day='2026-06-12'] canvas")).to_be_visible()
    expect(panel.get_by_role("button", name="Day after")).to_be_disabled()
    expect(panel.get_by_text("3 of 46 due slots missing")).to_be_visible()
    panel.get_by_role("button", name="Day before").click()
    expect(panel.locator("[data-day='2026-06-11'] canvas")).to_be_visible()
    operator.keyboard.press("ArrowLeft")
    expect(panel.locator("[data-day='2026-06-10'] canvas")).to_be_visible()
    operator.keyboard.press("ArrowRight")
    expect(panel.locator("[data-day='2026-06-11'] canvas")).to_be_visible()
    panel.get_by_role("button", name="Today", exact=True).click()
    expect(panel.locator("[data-day='2026-06-12'] canvas")).to_be_visible()


def test_a_curve_has_a_table_with_the_same_values(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Power over the day")
    panel.get_by_role("button", name="Show as a table").click()
    rows = panel.locator("tbody tr")
    expect(rows).to_have_count(48)
    expect(rows.nth(20)).to_contain_text("not held")
    expect(rows.nth(47)).to_contain_text("not yet due")
    held = room.town.curve(3, "2026-06-12")["slots"][0]
    expect(rows.nth(0)).to_contain_text(str(held["import_wh"]))
    expect(rows.nth(0).locator("th")).to_have_text("00:00–00:30")


def test_a_day_without_a_register_is_missing_and_not_zero(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Use per day, 35 days")
    expect(panel.get_by_text("2 days without a register")).to_be_visible()
    expect(panel.locator(".bar")).to_have_count(33)
    expect(panel.locator(".none")).to_have_count(2)


def test_events_stand_in_both_languages_with_their_severity(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Events")
    magnet = panel.locator("tbody tr").nth(2)
    expect(magnet).to_contain_text("Influence of a permanent magnet")
    expect(magnet).to_contain_text("स्थायी चुंबक का प्रभाव")
    expect(magnet).to_contain_text("critical")
    expect(panel.locator("tbody tr")).to_have_count(10)
    panel.get_by_role("button", name="Show more").click()
    expect(panel.locator("tbody tr")).to_have_count(20)


def test_contacts_tell_their_outcome_in_words(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    rows = operator.get_by_role("region", name="Contacts").locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("Values now, Block load")
    expect(rows.nth(3)).to_contain_text("no answer")
    expect(rows.nth(4)).to_contain_text("on demand, Values now")
    expect(rows.nth(7)).to_contain_text("not authentic")


def test_a_meter_is_read_now_and_the_job_is_followed_to_its_end(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Read the meter now")
    panel.get_by_label("Block load").check()
    panel.get_by_role("button", name="Read now").click()
    expect(panel.locator("[data-job=running]")).to_be_visible()
    expect(panel.get_by_role("progressbar")).to_be_visible()
    expect(panel.get_by_role("button", name="Read now")).to_be_disabled()
    expect(panel.locator("[data-job=done]")).to_contain_text("48 rows read")
    expect(operator.get_by_text("Meter BJ10000003 has been read.")).to_be_visible()
    assert ("POST", "/api/meters/3/reads", {"kinds": ["instantaneous", "block-load"]}) in room.asked


def test_a_read_that_fails_says_why(operator: Page, room: MockControlRoom) -> None:
    room.job_fails = True
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Read the meter now")
    panel.get_by_role("button", name="Read now").click()
    expect(panel.locator("[data-job=failed]")).to_contain_text("no answer within 20 s")
    expect(operator.get_by_text("Meter BJ10000003 could not be read.")).to_be_visible()
    expect(panel.get_by_role("button", name="Read now")).to_be_enabled()


def test_nothing_chosen_is_nothing_read(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters/3")
    panel = operator.get_by_role("region", name="Read the meter now")
    panel.get_by_label("Values now").uncheck()
    expect(panel.get_by_role("button", name="Read now")).to_be_disabled()
    expect(panel.get_by_text("Choose at least one kind.")).to_be_visible()


def test_a_meter_that_is_none_is_said_to_be_none(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 404")
    operator.goto("/meters/999")
    expect(operator.get_by_text("There is no meter 999.")).to_be_visible()


def test_a_part_that_fails_leaves_the_others(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 503")
    room.failing["/api/meters/3/curve"] = 503
    operator.goto("/meters/3")
    expect(operator.get_by_role("region", name="Power over the day").get_by_role("alert")).to_contain_text(
        "The records cannot be reached at the moment."
    )
    expect(operator.get_by_role("region", name="Events").locator("tbody tr")).to_have_count(10)
