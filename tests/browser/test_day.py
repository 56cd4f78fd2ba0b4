"""The page of the day: picture first, figures that say what they lack, and the way down to a transformer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def test_the_picture_comes_first_with_the_day_before_and_how_whole_it_is(
    operator: Page, room: MockControlRoom
) -> None:
    operator.goto("/day")
    picture = operator.get_by_role("img", name="Load curve. Peak 11,124.0 kW at 23:00.")
    expect(picture).to_be_visible()
    expect(operator.locator("canvas")).to_be_visible()
    expect(operator.get_by_text("some consumers not known")).to_be_visible()
    expect(operator.get_by_text("98.33%", exact=True).first).to_be_visible()
    expect(operator.get_by_role("link", name="Service levels").last).to_have_attribute(
        "href", "/service-levels?day=2026-06-11"
    )
    operator.get_by_role("button", name="Show as a table").click()
    row = operator.get_by_role("table", name="Load curve").get_by_role("row", name="10:00")
    expect(row).to_contain_text("80.0%")


def test_figures_are_grouped_as_in_india_and_say_what_stands_behind_them(
    operator: Page, room: MockControlRoom
) -> None:
    operator.goto("/day")
    figures = operator.get_by_role("region", name="Figures")
    expect(figures).to_contain_text("2,34,060")
    expect(figures).to_contain_text("1.67% of it estimated")
    expect(figures).to_contain_text("transformers told: 1,720 of 2,600")
    expect(figures).to_contain_text("Voltage outside 216.2–243.8 V")
    expect(figures).to_contain_text("194.3 to 253.1 V")
    expect(figures).to_contain_text("2,31,456 acknowledged")
    expect(figures.get_by_role("link", name="12")).to_have_attribute(
        "href", "/exceptions?from=2026-06-11&to=2026-06-11"
    )
    events = operator.get_by_role("table", name="Events")
    expect(events.get_by_role("row", name="power")).to_contain_text("2,824")


def test_a_loss_that_cannot_be_told_is_a_dash(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/day?by=feeder")
    table = operator.get_by_role("table", name="By place and make")
    expect(table).to_be_visible()
    column = [text.strip() for text in table.locator("thead th").all_text_contents()].index("Lost")
    cells = table.locator("tbody tr").nth(1).locator("th, td")
    expect(cells.nth(column)).to_have_text("—")


def test_the_way_leads_from_the_utility_to_a_transformer_and_its_meters(
    operator: Page, room: MockControlRoom
) -> None:
    operator.goto("/day?day=2026-06-10")
    for heading in ("33/11 kV substation 0", "11 kV feeder 0", "Transformer 0"):
        operator.get_by_role("table", name="By place and make").locator("tbody th a").first.click()
        expect(operator.get_by_role("table", name="By place and make")).to_contain_text(heading)
    operator.get_by_role("table", name="By place and make").locator("tbody th a").first.click()
    expect(operator).to_have_url("/day?day=2026-06-10&place=transformer&code=T0000")
    expect(operator.get_by_role("heading", level=1)).to_have_text("The day: Transformer 0")
    expect(operator.get_by_role("table", name="By place and make")).to_have_count(0)
    path = operator.get_by_role("navigation", name="Place")
    expect(path.get_by_role("listitem")).to_have_count(5)
    expect(path.get_by_role("link", name="Meters")).to_have_attribute("href", "/meters?transformer=T0000")
    path.get_by_role("link", name="Whole utility").click()
    expect(operator).to_have_url("/day?day=2026-06-10")


def test_weeks_and_months_are_bars_of_days(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/day")
    operator.get_by_role("radio", name="Month").check(force=True)
    expect(operator).to_have_url("/day?period=month")
    expect(operator.get_by_role("heading", name="Energy by day")).to_be_visible()
    expect(operator.get_by_text("11 of 30 days have totals.")).to_be_visible()
    assert operator.locator("rect.bar").count() == 11
    operator.get_by_role("radio", name="Week").check(force=True)
    expect(operator.get_by_text("4 of 7 days have totals.")).to_be_visible()


def test_the_utility_is_taken_apart_by_make_too(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/day")
    operator.get_by_role("radio", name="make").check(force=True)
    expect(operator).to_have_url("/day?by=make")
    table = operator.get_by_role("table", name="By place and make")
    expect(table.locator("tbody th").first).to_have_text("Maker A")
    expect(table.locator("tbody td a").first).to_have_attribute("href", "/meters?maker=Maker+A")


def test_sheets_are_of_what_is_shown(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/day?period=week&by=transformer")
    for name, ending in (("Download CSV", "csv"), ("Download Parquet", "parquet")):
        expect(operator.get_by_role("link", name=name)).to_have_attribute(
            "href", f"/api/day.{ending}?period=week&by=transformer"
        )
    with operator.expect_download() as begun:
        operator.get_by_role("link", name="Download CSV").click()
    assert begun.value.suggested_filename == "day.csv"


def test_days_that_run_or_have_no_totals_say_so(operator: Page, room: MockControlRoom) -> None:
    room.day = "running"
    operator.goto("/day?day=2026-06-12")
    expect(operator.get_by_text("its totals come after midnight")).to_be_visible()
    room.day = "none"
    operator.goto("/day?day=2026-05-01")
    expect(operator.get_by_text("No totals of these days yet.")).to_be_visible()


def test_a_failing_server_is_told_and_can_be_asked_again(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 500")
    room.failing["/api/day"] = 500
    operator.goto("/day")
    expect(operator.get_by_role("alert")).to_contain_text("The server failed.")
    room.failing.clear()
    operator.get_by_role("button", name="Try again").click()
    expect(operator.locator("#parts-title")).to_be_visible()


def test_the_print_holds_every_part_and_no_buttons(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/day")
    expect(operator.locator("#parts-title")).to_be_visible()
    operator.emulate_media(media="print")
    expect(operator.get_by_role("button", name="Print")).to_be_hidden()
    for title in ("#load-title", "#figures-title", "#parts-title", "#voltage-title", "#day-events-title"):
        expect(operator.locator(title)).to_be_visible()
