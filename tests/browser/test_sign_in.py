"""Signing in and out, the way back, and the language of the pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Complaints, sign_in
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser


def test_a_visitor_signs_in_and_stands_where_they_wanted_to_be(page: Page, room: MockControlRoom) -> None:
    page.goto("/meters/3?x=1")
    expect(page).to_have_url("/sign-in?next=%2Fmeters%2F3%3Fx%3D1")
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Flat 101")
    expect(page).to_have_url("/meters/3?x=1")
    assert room.session == "operator"


def test_a_foreign_way_back_is_not_followed(page: Page, room: MockControlRoom) -> None:
    page.goto("/sign-in?next=//evil.example/meters")
    sign_in(page)
    expect(page).to_have_url("/")


def test_a_wrong_password_is_told_and_selected_for_the_next_try(
    page: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 401")
    page.goto("/sign-in")
    sign_in(page, password="guess")
    expect(page.get_by_role("alert")).to_have_text("User name or password is not right.")
    assert room.session is None
    page.keyboard.type("bijli-1234")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_empty_fields_are_told_without_asking_the_server(page: Page, room: MockControlRoom) -> None:
    page.goto("/sign-in")
    page.locator("form button[type=submit]").click()
    expect(page.get_by_role("alert")).to_have_text("Enter both user name and password.")
    assert room.asked == []


def test_too_many_tries_are_told(page: Page, room: MockControlRoom, complaints: Complaints) -> None:
    complaints.expected.append("status of 429")
    page.goto("/sign-in")
    room.failing["/api/session"] = 429
    sign_in(page)
    expect(page.get_by_role("alert")).to_have_text("Too many tries. Wait a little, then try again.")


def test_the_language_is_chosen_before_signing_in_and_kept_with_the_person(
    page: Page, room: MockControlRoom
) -> None:
    page.goto("/sign-in")
    page.get_by_role("radio", name="हिन्दी").check(force=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("साइन इन")
    assert page.evaluate("document.documentElement.lang") == "hi"
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("एक नज़र में")
    expect(page).to_have_title("एक नज़र में – बिजलीघर")
    assert room.language == "hi"
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("एक नज़र में")


def test_the_menu_changes_language_and_theme(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    operator.get_by_role("button", name="Your menu").click()
    operator.get_by_role("radio", name="Light").check(force=True)
    assert operator.evaluate("document.documentElement.dataset.theme") == "light"
    operator.get_by_role("radio", name="हिन्दी").check(force=True)
    expect(operator.get_by_role("heading", level=1)).to_have_text("मीटर")
    expect(operator.get_by_role("button", name="आपका मेनू: मीरा श्रीवास्तव")).to_be_visible()
    operator.reload()
    expect(operator.get_by_role("heading", level=1)).to_have_text("मीटर")
    assert operator.evaluate("document.documentElement.dataset.theme") == "light"


def test_signing_out_ends_the_session(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    operator.get_by_role("button", name="Your menu").click()
    operator.get_by_role("button", name="Sign out").click()
    expect(operator.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert room.session is None
    operator.goto("/trial")
    expect(operator).to_have_url("/sign-in?next=%2Ftrial")


def test_a_session_that_ends_leads_to_sign_in_and_back(
    operator: Page, room: MockControlRoom, complaints: Complaints
) -> None:
    complaints.expected.append("status of 401")
    operator.goto("/meters?state=late")
    expect(operator.locator("tbody a")).to_have_count(1)
    room.session = None
    operator.get_by_role("link", name="Field trial").click()
    expect(operator.get_by_text("Your session has ended.")).to_be_visible()
    sign_in(operator)
    expect(operator).to_have_url("/trial")
    expect(operator.get_by_role("heading", level=1)).to_contain_text("Field trial")


def test_a_viewer_is_not_offered_what_the_server_would_refuse(page: Page, room: MockControlRoom) -> None:
    room.session = "viewer"
    page.goto("/meters/3")
    expect(page.get_by_text("Your role may look, but not read a meter on demand.")).to_be_visible()
    expect(page.get_by_role("button", name="Read now")).to_have_count(0)
    page.goto("/trial")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    expect(page.get_by_role("button", name="Compare all values")).to_have_count(0)


def test_a_demo_names_its_people_and_one_click_signs_in(page: Page, room: MockControlRoom) -> None:
    room.demo = True
    page.goto("/")
    people = page.get_by_role("region", name="This is a demo of the town “mohalla”. Sign in as").get_by_role(
        "button"
    )
    expect(people).to_have_count(4)
    people.filter(has_text="supervisor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert room.session == "supervisor"


def test_the_overview_leads_to_every_screen_of_the_role(page: Page, room: MockControlRoom) -> None:
    room.session = "supervisor"
    page.goto("/")
    cards = page.get_by_role("list", name="Screens").locator("h2 a")
    expect(cards).to_have_text(["Meters", "The day", "Service levels", "Exceptions", "Billing", "Field trial"])
    main = page.locator("main")
    for told in ("12 of 12 heard today", "silent: 1; late: 1", "The link does not pass yet", "Failed"):
        expect(main).to_contain_text(told)
    for place in range(6):
        cards.nth(place).click()
        expect(page.get_by_role("navigation", name="Screens").locator("[aria-current=page]")).to_have_count(1)
        expect(page).not_to_have_url("/")
        page.get_by_role("link", name="Overview").click()
        expect(cards).to_have_count(6)


def test_the_overview_of_a_role_without_billing_has_none(page: Page, room: MockControlRoom) -> None:
    room.session = "operator"
    page.goto("/")
    expect(page.get_by_role("list", name="Screens").locator("h2 a")).to_have_count(5)
    expect(page.get_by_role("navigation", name="Screens").get_by_role("link")).to_have_count(6)
