"""The queue of exceptions, a meter's data with its versions, the billing link: looked at, decided, edited."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import AXE, Complaints
from browser.mock_api import MockControlRoom
from browser.test_every_screen import AXE_TAGS

pytestmark = pytest.mark.browser

SCREENS = {
    "exceptions": ("/exceptions", "tbody .row button"),
    "none": ("/exceptions?from=2026-06-12", ".empty"),
    "data": ("/meters/3?tab=data", "td .button"),
    "billing": ("/billing", "#refused-title"),
    "new-billing": ("/billing", ".empty"),
    "reconciliation": ("/billing/reconciliations/2026-06-11/2026-06-11?cause=billed-otherwise", "tbody a"),
    "point": ("/billing/points/UP000003", "tbody button"),
}
BEYOND = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')]
    .filter((each) => !each.closest('.scroller, .hidden-text, svg') && each.getClientRects().length > 0)
    .filter((each) => each.getBoundingClientRect().right > wide + 1)
    .map((each) => each.outerHTML.slice(0, 120));
}"""


@pytest.fixture
def supervisor(page: Page, room: MockControlRoom) -> Page:
    """A page with a supervisor signed in, who may decide and edit."""
    room.session = "supervisor"
    return page


def opened(page: Page, room: MockControlRoom, screen: str, language: str) -> None:
    """A screen with everything on it that opens without leaving it."""
    address, sign = SCREENS[screen]
    room.session, room.language = "supervisor", language
    room.billing = "new" if screen == "new-billing" else "open"
    page.add_init_script(f"localStorage.setItem('bijlighar.language', '{language}')")
    page.goto(address)
    expect(page.locator(sign).first).to_be_visible()
    if screen == "exceptions":
        page.locator(sign).nth(2).click()
        expect(page.locator("svg.bars")).to_be_visible()
    if screen in ("data", "point"):
        page.locator("tbody button[aria-expanded]").first.click()
        expect(page.locator("tbody button[aria-expanded=true]")).to_have_count(1)
    expect(page.locator(".skeleton")).to_have_count(0)


@pytest.mark.parametrize(("language", "theme"), [("hi", "dark"), ("en", "light")])
@pytest.mark.parametrize("screen", SCREENS)
def test_there_is_no_barrier_and_nothing_cut_off_at_any_width(
    chromium: Browser, address: str, room: MockControlRoom, screen: str, language: str, theme: str
) -> None:
    # axe is injected, which the policy rightly refuses: this context alone goes without it.
    context = chromium.new_context(
        base_url=address, bypass_csp=True, color_scheme=theme, viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    opened(page, room, screen, language)
    page.add_script_tag(path=str(AXE))
    options = {"runOnly": AXE_TAGS, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)
    told = [f"{rule['id']}: {node['html'][:160]}" for rule in found["violations"] for node in rule["nodes"]]
    for width in (360, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        told += [f"{width} px: {beyond}" for beyond in page.evaluate(BEYOND)]
    context.close()
    assert told == []


def test_a_finding_is_told_in_words_with_its_limit_and_its_slots(supervisor: Page, room: MockControlRoom) -> None:
    supervisor.goto("/exceptions")
    rows = supervisor.locator("tbody .row")
    expect(rows.first).to_contain_text("slots are 1.24 kWh below the registers; 0.26 kWh passes")
    supervisor.get_by_role("button", name="Slots without a reading").first.click()
    detail = supervisor.get_by_role("complementary", name="The exception")
    expect(detail).to_contain_text("There was supply, and still no reading came")
    expect(detail).to_contain_text("Have the meter read for this day.")
    expect(detail.locator("svg.bars rect.stroke")).to_have_count(3)
    supervisor.get_by_role("combobox", name="Rule").select_option("spike")
    expect(supervisor).to_have_url("/exceptions?rule=spike")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("far above the third highest slot")
    supervisor.get_by_role("searchbox", name="Meter").fill("BJ10000003")
    supervisor.keyboard.press("Enter")
    expect(supervisor).to_have_url("/exceptions?rule=spike&meter=3")
    expect(rows).to_have_count(1)
    supervisor.get_by_role("button", name="Clear filters").click()
    expect(supervisor.get_by_role("heading", level=1)).to_contain_text("60 exceptions")


def test_many_are_decided_by_keyboard_and_the_number_is_told_before(
    supervisor: Page, room: MockControlRoom
) -> None:
    supervisor.goto("/exceptions")
    first = supervisor.locator("tbody .row button").first
    first.focus()
    for key in ("x", "ArrowDown", "ArrowDown", "x", "d"):
        supervisor.keyboard.press(key)
    dialog = supervisor.get_by_role("dialog", name="Decide about 2 exceptions")
    expect(dialog).to_contain_text("cannot be taken back")
    confirm = dialog.get_by_role("button", name="Decide 2 for good")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("radio", name="Somebody goes there").check()
    dialog.get_by_role("textbox", name="Reason").fill("the register is to be looked at")
    confirm.click()
    expect(supervisor.get_by_text("2 exceptions are decided.")).to_be_visible()
    expect(supervisor.get_by_role("heading", level=1)).to_contain_text("58 exceptions")
    ((_, path, body),) = [asked for asked in room.asked if asked[0] == "POST"]
    assert (path, body["ids"], body["expected"]) == ("/api/exceptions/resolutions", [1, 3], 2)
    supervisor.get_by_role("radio", name="decided").check(force=True)
    expect(supervisor.locator("tbody .row")).to_have_count(2)
    expect(supervisor.locator("tbody .row").first).to_contain_text("Somebody goes there")


def test_a_whole_view_is_decided_only_when_it_is_narrowed_and_unchanged(
    supervisor: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 409")
    supervisor.goto("/exceptions")
    expect(supervisor.get_by_text("To decide all of a view, narrow it first")).to_be_visible()
    supervisor.goto("/exceptions?rule=spike")
    supervisor.get_by_role("button", name="Decide all 10 of this view").click()
    dialog = supervisor.get_by_role("dialog", name="Decide about 10 exceptions")
    expect(dialog).to_contain_text("All open ones of this view: A single high slot.")
    room.queue.decided[25] = {"resolution": "edited", "reason": "somebody else was quicker"}
    dialog.get_by_role("radio", name="The reading is right").check()
    dialog.get_by_role("textbox", name="Reason").fill("a pump")
    dialog.get_by_role("button", name="Decide 10 for good").click()
    expect(supervisor.get_by_text("Meanwhile the queue has changed")).to_be_visible()
    supervisor.get_by_role("button", name="Decide all 9 of this view").click()
    expect(supervisor.get_by_role("dialog", name="Decide about 9 exceptions")).to_be_visible()
    assert len(room.queue.decided) == 1


def test_thirty_thousand_are_scrolled_with_few_rows_and_pages(supervisor: Page, room: MockControlRoom) -> None:
    room.reset("city")
    room.session = "supervisor"
    supervisor.goto("/exceptions")
    expect(supervisor.get_by_role("heading", level=1)).to_contain_text("30,000 exceptions")
    supervisor.locator("tbody .row button").first.focus()
    supervisor.keyboard.press("End")
    expect(supervisor.locator("[aria-rowindex='30001'] button")).to_be_focused()
    assert supervisor.locator("tbody .row").count() < 60
    supervisor.keyboard.press("Home")
    expect(supervisor.locator("[aria-rowindex='2'] button")).to_be_focused()


def test_who_may_only_look_is_offered_no_decision(operator: Page, room: MockControlRoom) -> None:
    room.session = "viewer"
    operator.goto("/exceptions")
    expect(operator.get_by_text("Your role may look at the queue, but not decide.")).to_be_visible()
    expect(operator.get_by_role("checkbox")).to_have_count(0)
    expect(operator.get_by_role("link", name="Billing")).to_have_count(0)
    operator.goto("/billing")
    expect(operator.get_by_text("There is no page at /billing.")).to_be_visible()
    operator.goto("/meters/3?tab=data")
    expect(operator.get_by_text("Your role may look at the data, but not edit them.")).to_be_visible()
    expect(operator.get_by_role("button", name="Edit")).to_have_count(0)


def test_a_slot_shows_its_versions_is_edited_and_the_edit_withdrawn(
    supervisor: Page, room: MockControlRoom
) -> None:
    supervisor.goto("/meters/3")
    supervisor.get_by_role("link", name="Data", exact=True).click()
    expect(supervisor).to_have_url("/meters/3?tab=data")
    table = supervisor.get_by_role("table", name="Data of the day")
    expect(table.get_by_role("row", name="10:00–10:30")).to_contain_text("straight line, version 1")
    expect(table.get_by_role("row", name="12:00–12:30")).to_contain_text("billed, locked")
    expect(table.get_by_role("button", name="Edit 12:00–12:30")).to_have_count(0)
    missing = table.get_by_role("row", name="15:00–15:30")
    expect(missing).to_contain_text("missing")
    missing.get_by_role("button", name="Edit 15:00–15:30").click()
    dialog = supervisor.get_by_role("dialog", name="Edit 15:00–15:30")
    dialog.get_by_role("spinbutton").fill("420")
    dialog.get_by_role("textbox", name="Reason").fill("read on the site")
    dialog.get_by_role("button", name="Put in place").click()
    expect(missing).to_contain_text("420")
    expect(missing).to_contain_text("put in by a person")
    assert room.asked[-1][2]["instead_of"] is None
    missing.get_by_role("button", name="1 versions").click()
    expect(supervisor.locator(".versions")).to_contain_text("reason: read on the site")
    missing.get_by_role("button", name="Edit 15:00–15:30").click()
    dialog.get_by_role("textbox", name="Reason").fill("a slip")
    dialog.get_by_role("button", name="Withdraw the edit").click()
    expect(missing.get_by_role("button", name="2 versions")).to_be_visible()
    expect(missing).to_contain_text("missing")


def test_the_past_is_shown_as_it_was_billed_and_not_edited(supervisor: Page, room: MockControlRoom) -> None:
    supervisor.goto("/meters/3?tab=data")
    expect(supervisor.get_by_role("button", name="Edit 00:00–00:30")).to_be_visible()
    choice = supervisor.get_by_role("combobox", name="As it stood")
    choice.select_option(label="as billed 12 Jun 2026, B-2026-0611")
    expect(supervisor).to_have_url("/meters/3?tab=data&at=2026-06-12T03%3A30%3A00Z")
    expect(supervisor.get_by_text("Shown is what was known 12 Jun, 09:00 IST.")).to_be_visible()
    expect(supervisor.get_by_role("button", name="Edit 00:00–00:30")).to_have_count(0)
    with supervisor.expect_download() as begun:
        supervisor.get_by_role("link", name="Download CSV").click()
    assert begun.value.suggested_filename == "data.csv"
    supervisor.goto("/meters/3?tab=data&day=2026-06-12")
    expect(supervisor.get_by_text("This day has no data yet.")).to_be_visible()


def test_the_gate_tells_what_it_lacks_and_a_verdict_is_recorded(supervisor: Page, room: MockControlRoom) -> None:
    supervisor.goto("/billing")
    expect(supervisor.get_by_text("11 Jun 2026: 3 of 9,972 usage points differ without a cause")).to_be_visible()
    supervisor.get_by_role("button", name="Record the verdict").click()
    dialog = supervisor.get_by_role("dialog", name="Record the verdict on the link")
    expect(dialog).to_contain_text("the link does not pass. Rollout stays closed.")
    dialog.get_by_role("textbox", name="Reason").fill("three days are wanted")
    dialog.get_by_role("button", name="Record for good").click()
    expect(supervisor.get_by_text("The verdict is recorded: not passed.")).to_be_visible()
    assert ("POST", "/api/billing/decisions", {"reason": "three days are wanted"}) in room.asked
    room.billing = "passing"
    supervisor.reload()
    expect(supervisor.get_by_text("The link passes")).to_be_visible()
    expect(supervisor.get_by_text("three days agree")).to_be_visible()


def test_a_reconciliation_leads_to_its_usage_points_and_their_bills(
    supervisor: Page, room: MockControlRoom
) -> None:
    supervisor.goto("/billing")
    supervisor.get_by_role("link", name="11 Jun 2026").click()
    table = supervisor.get_by_role("table", name="Differences")
    expect(table.locator("tbody tr")).to_have_count(100)
    expect(table.locator("tbody tr").first).to_contain_text("billed otherwise")
    supervisor.get_by_role("button", name="Show more").click()
    expect(table.locator("tbody tr")).to_have_count(161)
    supervisor.get_by_role("button", name="amount differs").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    supervisor.emulate_media(media="print")
    expect(supervisor.get_by_text("Name, office and signature")).to_be_visible()
    expect(supervisor.get_by_role("button", name="Print")).to_be_hidden()
    supervisor.emulate_media(media="screen")
    table.get_by_role("link").first.click()
    expect(supervisor).to_have_url("/billing/points/UPAM0000")
    account = supervisor.get_by_role("region", name="As the billing server tells it")
    expect(account).to_contain_text("Asha Verma")
    expect(account).to_contain_text("4.00 kW")
    supervisor.get_by_role("button", name="Preview of the bill, 1 May 2026").click()
    bill = supervisor.get_by_role("table", name="Preview of the bill")
    expect(bill).to_contain_text("1,746.06")
    expect(bill.get_by_role("row", name="Difference")).to_contain_text("19.86")


@pytest.mark.parametrize(
    ("screen", "path"),
    [
        ("/exceptions", "/api/exceptions"),
        ("/billing", "/api/billing"),
        ("/billing/points/UP1", "/api/billing/usage-points"),
        ("/meters/3?tab=data", "/api/meters/3/data"),
    ],
)
def test_a_failing_server_is_told_and_can_be_asked_again(
    supervisor: Page, room: MockControlRoom, complaints: Complaints, screen: str, path: str
) -> None:
    complaints.expected.append("status of 500")
    room.failing[path] = 500
    supervisor.goto(screen)
    expect(supervisor.get_by_role("alert").first).to_contain_text("The server failed.")
    room.failing.clear()
    supervisor.get_by_role("button", name="Try again").first.click()
    expect(supervisor.get_by_role("alert")).to_have_count(0)
    expect(supervisor.locator("tbody tr").first).to_be_visible()
