"""The consumer's pages: on a phone, in Hindi first, by keyboard, with large text, on paper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import AXE, Complaints, sign_in
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}
SCREENS = ("/my", "/my/month", "/my/month?month=2026-05", "/my/data")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BEYOND = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')]
    .filter((each) => !each.closest('.scroller, .hidden-text, svg') && each.getClientRects().length > 0)
    .filter((each) => each.getBoundingClientRect().right > wide + 1)
    .map((each) => each.outerHTML.slice(0, 120));
}"""

CHOOSE = """(field, day) => {
  field.value = day;
  field.dispatchEvent(new Event('change', { bubbles: true }));
}"""
"""What the browser's own picker does when a day is taken."""


@pytest.fixture
def phone(chromium: Browser, address: str, room: MockControlRoom, complaints: Complaints) -> Iterator[Page]:
    """A household's phone, signed in, in English."""
    context = chromium.new_context(base_url=address, viewport=PHONE, locale="en-IN", color_scheme="dark")
    room.session = "household"
    page = context.new_page()
    complaints.watch(page)
    yield page
    context.close()


def loaded(page: Page) -> None:
    """Everything on the page is there."""
    expect(page.locator("main .panel").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def test_a_household_lands_on_its_own_page_in_its_own_language(
    page: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    room.language = "hi"
    page.set_viewport_size(PHONE)
    page.goto("/")
    sign_in(page, "household")
    expect(page).to_have_url("/my")
    loaded(page)
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    expect(page.get_by_role("heading", name="आज और कल")).to_be_visible()
    page.goto("/meters")
    expect(page).to_have_url("/my")


def test_now_today_slab_estimate_and_dues_are_told(phone: Page) -> None:
    phone.goto("/my")
    loaded(phone)
    expect(phone.locator("[data-now]")).to_have_text("1.24 kW")
    main = phone.locator("main")
    for told in (
        "14.20",
        "From 100 to 150 units a month; 18.6 more at this price.",
        "₹ 5.50 a unit",
        "₹ 942.70",
        "An estimate, not a bill",
        "₹ 1,542.00",
        "switched on",
        "in touch",
    ):
        expect(main).to_contain_text(told)
    phone.get_by_role("button", name="Show as a table").click()
    table = phone.get_by_role("table", name="Today against yesterday")
    expect(table.get_by_role("row", name="04:30")).to_contain_text("—")
    expect(table.get_by_role("columnheader", name="Given to the grid")).to_be_visible()


def test_an_outage_comes_first_and_one_home_of_several_is_chosen(phone: Page, room: MockControlRoom) -> None:
    room.own = "outage"
    phone.goto("/my")
    loaded(phone)
    alert = phone.get_by_role("alert")
    expect(alert).to_contain_text("Power is out")
    expect(alert).to_contain_text("1,400 connections are affected")
    phone.get_by_role("combobox").select_option("UP-000004")
    expect(phone.locator(".facts")).to_contain_text("UP-000004")
    expect(phone.locator("main")).to_contain_text("In your favour")


def test_what_is_not_known_is_said(phone: Page, room: MockControlRoom) -> None:
    room.own = "fresh"
    phone.goto("/my")
    loaded(phone)
    main = phone.locator("main")
    for told in ("The meter has not been read yet.", "the meter has not said", "For this month nothing is known."):
        expect(main).to_contain_text(told)
    room.own = "disconnected"
    phone.reload()
    expect(main).to_contain_text("switched off")
    room.own = "none"
    phone.reload()
    expect(phone.get_by_text("No connection is linked to your name yet.")).to_be_visible()


def test_months_are_turned_and_one_is_printed(phone: Page) -> None:
    phone.goto("/my/month")
    loaded(phone)
    expect(phone.get_by_role("heading", level=1)).to_have_text("June 2026")
    expect(phone.get_by_role("button", name="Month after")).to_be_disabled()
    phone.get_by_role("button", name="Month before").click()
    expect(phone).to_have_url("/my/month?month=2026-05")
    expect(phone.get_by_role("heading", level=1)).to_have_text("May 2026")
    loaded(phone)
    expect(phone.get_by_text("Estimate for the whole month")).to_have_count(0)
    phone.emulate_media(media="print")
    expect(phone.get_by_role("button", name="Month before")).to_be_hidden()
    expect(phone.get_by_role("navigation")).to_be_hidden()
    expect(phone.get_by_role("table", name="Day by day").get_by_role("row")).to_have_count(31)


def test_ones_data_is_downloaded_and_who_looked_is_told(phone: Page) -> None:
    phone.goto("/my/data")
    loaded(phone)
    expect(phone.locator(".looks")).to_contain_text("Meera Srivastava (operator)")
    expect(phone.locator(".looks")).to_contain_text("supply and operation")
    expect(phone.get_by_role("button", name="From: 12 May 2025")).to_be_visible()
    phone.locator("input[type=date]").first.evaluate(CHOOSE, "2026-06-01")
    link = phone.get_by_role("link", name="Green Button (XML)")
    expect(link).to_have_attribute(
        "href", "/api/my/green-button.xml?point=UP-000003&from=2026-06-01&to=2026-06-12"
    )
    with phone.expect_download() as begun:
        phone.get_by_role("link", name="Table (CSV)").click()
    assert begun.value.suggested_filename == "use.csv"


def test_a_failing_server_is_told_and_asked_again(
    phone: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 500")
    room.failing["/api/my/month"] = 500
    phone.goto("/my/month")
    expect(phone.get_by_role("alert")).to_contain_text("The server failed.")
    room.failing.clear()
    phone.get_by_role("button", name="Try again").click()
    loaded(phone)


def test_the_keyboard_reaches_every_page(phone: Page) -> None:
    phone.goto("/my")
    loaded(phone)
    phone.keyboard.press("Tab")
    expect(phone.get_by_role("link", name="Skip to the content")).to_be_focused()
    phone.get_by_role("link", name="Month", exact=True).focus()
    phone.keyboard.press("Enter")
    expect(phone).to_have_url("/my/month")
    expect(phone.locator("main")).to_be_focused()


@pytest.mark.parametrize("language", ["hi", "en"])
def test_nothing_is_cut_off_on_a_phone_even_with_large_text(
    phone: Page, room: MockControlRoom, language: str
) -> None:
    phone.add_init_script(f"localStorage.setItem('bijlighar.language', '{language}')")
    for screen in SCREENS:
        phone.goto(screen)
        loaded(phone)
        assert phone.evaluate(BEYOND) == [], screen
        phone.evaluate("document.styleSheets[0].insertRule('html { font-size: 200% !important }', 0)")
        assert phone.evaluate(BEYOND) == [], screen


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["hi", "en"])
@pytest.mark.parametrize("state", ["ordinary", "outage", "fresh"])
def test_axe_finds_no_barrier(
    chromium: Browser, address: str, room: MockControlRoom, state: str, language: str, theme: str
) -> None:
    context = chromium.new_context(base_url=address, bypass_csp=True, color_scheme=theme, viewport=PHONE)
    page = context.new_page()
    room.session, room.own = "household", state
    page.add_init_script(f"localStorage.setItem('bijlighar.language', '{language}')")
    told = []
    for screen in SCREENS if state == "ordinary" else SCREENS[:1]:
        page.goto(screen)
        loaded(page)
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
        told += [
            f"{screen} {rule['id']}: {node['html'][:160]}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
    context.close()
    assert told == []
