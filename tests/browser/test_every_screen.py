"""What holds on every screen: no barrier that axe knows, the content security policy kept, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import AXE, Complaints, until
from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser

Prepare = Callable[[MockControlRoom], None]


def _alarmed(room: MockControlRoom) -> None:
    room.alarms = [
        {
            "code": "readings-not-stored",
            "since": "2026-06-12T17:30:00Z",
            "detail": "disk full",
            "detail_hi": "डिस्क भरी",
        }
    ] * 2
    room.headend_alive = False


def _signed_out(room: MockControlRoom) -> None:
    room.session, room.demo = None, True


def _supervised(room: MockControlRoom) -> None:
    room.session = "supervisor"


def _running(room: MockControlRoom) -> None:
    room.trial = "running"


def _good_levels(room: MockControlRoom) -> None:
    room.levels = "good"


def _no_levels(room: MockControlRoom) -> None:
    room.levels = "none"


def _whole_day(room: MockControlRoom) -> None:
    room.day = "whole"


def _running_day(room: MockControlRoom) -> None:
    room.day = "running"


def _ordinary(room: MockControlRoom) -> None:
    return


SCREENS: dict[str, tuple[str, str, Prepare]] = {
    "sign-in": ("/sign-in", "form", _signed_out),
    "overview": ("/", ".cards a", _supervised),
    "meters": ("/meters", "tbody a", _alarmed),
    "nothing-found": ("/meters?q=nobody", ".empty", _ordinary),
    "meter": ("/meters/3", "#events-title", _ordinary),
    "silent-meter": ("/meters/7", "#events-title", _ordinary),
    "trial": ("/trial", ".banner", _ordinary),
    "running-trial": ("/trial", ".banner", _running),
    "day": ("/day", "#parts-title", _ordinary),
    "whole-month": ("/day?period=month", "#parts-title", _whole_day),
    "running-day": ("/day", ".empty", _running_day),
    "levels": ("/service-levels", "#groups-title", _ordinary),
    "good-levels": ("/service-levels", "#groups-title", _good_levels),
    "no-levels": ("/service-levels", ".empty", _no_levels),
    "no-page": ("/nowhere", ".empty", _ordinary),
}
TELL_VIOLATIONS = """
document.addEventListener('securitypolicyviolation',
  (event) => toldOfViolation(`${event.violatedDirective} ${event.blockedURI}`));
"""
WRITE_MARKUP = """() => {
  try { document.body.innerHTML = '<b>written</b>'; return 'written'; } catch { return 'refused'; }
}"""
WRITE_STYLE = """() => {
  const paragraph = document.createElement('p');
  paragraph.setAttribute('style', 'color: red');
  document.body.append(paragraph);
}"""
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def opened(page: Page, room: MockControlRoom, screen: str, language: str) -> None:
    """A screen in a language, with everything on it loaded."""
    address, sign, prepare = SCREENS[screen]
    room.session, room.language = "operator", language
    prepare(room)
    page.add_init_script(f"localStorage.setItem('bijlighar.language', '{language}')")
    page.goto(address)
    expect(page.locator(sign).first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    if screen.endswith("meter"):
        expect(page.locator("canvas").first).to_be_visible()
    page.evaluate("document.fonts.ready")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["hi", "en"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_barrier(
    chromium: Browser, address: str, room: MockControlRoom, screen: str, language: str, theme: str
) -> None:
    # axe is injected, which the policy rightly refuses: this context alone goes without it.
    context = chromium.new_context(
        base_url=address, bypass_csp=True, color_scheme=theme, viewport={"width": 1440, "height": 900}
    )
    page = context.new_page()
    opened(page, room, screen, language)
    if screen == "meter":
        closed = page.locator(".panel .body > button[aria-expanded=false]")
        expect(closed).to_have_count(2)
        for _ in range(2):
            closed.first.click()
    if screen == "trial":
        page.locator("tbody button").nth(6).click()
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    told = [f"{rule['id']}: {node['html'][:160]}" for rule in found["violations"] for node in rule["nodes"]]
    context.close()
    assert told == []
    assert len(found["passes"]) > 15


@pytest.mark.parametrize("part", ["menu", "keys", "filters"])
@pytest.mark.parametrize("language", ["hi", "en"])
def test_axe_finds_no_barrier_in_what_opens(
    chromium: Browser, address: str, room: MockControlRoom, language: str, part: str
) -> None:
    size = {"width": 360, "height": 740} if part == "filters" else {"width": 1440, "height": 900}
    context = chromium.new_context(base_url=address, bypass_csp=True, color_scheme="dark", viewport=size)
    page = context.new_page()
    opened(page, room, "meters", language)
    if part == "menu":
        page.locator("[popovertarget=user-menu]").click()
    elif part == "keys":
        page.keyboard.press("?")
    else:
        page.locator(".more").click()
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    told = [f"{rule['id']}: {node['html'][:160]}" for rule in found["violations"] for node in rule["nodes"]]
    context.close()
    assert told == []


@pytest.mark.parametrize("screen", SCREENS)
def test_the_policy_is_in_force_and_nothing_breaks_it(
    page: Page, room: MockControlRoom, complaints: Complaints, screen: str
) -> None:
    told: list[str] = []
    page.expose_function("toldOfViolation", lambda violation: told.extend([violation]))
    page.add_init_script(TELL_VIOLATIONS)
    opened(page, room, screen, "en")
    page.wait_for_load_state("networkidle")
    assert told == []
    assert complaints.left() == []
    # The guard itself is tried: what the pages must never do is refused and noticed.
    assert page.evaluate(WRITE_MARKUP) == "refused"
    page.evaluate(WRITE_STYLE)
    until(page, lambda: any(violation.startswith("style-src") for violation in told))
    complaints.expected += ["Content Security Policy", "TrustedHTML"]


@pytest.mark.parametrize("language", ["hi", "en"])
@pytest.mark.parametrize(
    "screen", ["sign-in", "overview", "meters", "meter", "trial", "running-trial", "levels", "day", "whole-month"]
)
def test_nothing_is_cut_off_at_the_side(page: Page, room: MockControlRoom, screen: str, language: str) -> None:
    opened(page, room, screen, language)
    for width in (1920, 1280, 768, 360):
        page.set_viewport_size({"width": width, "height": 800})
        # Pictures follow their width when the browser tells them of it, a frame later.
        page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        beyond = page.evaluate(
            """() => {
              const wide = document.documentElement.clientWidth;
              const scrolls = (element) => element.closest('.scroller') !== null;
              return [...document.querySelectorAll('body *')]
                .filter((each) => !scrolls(each) && !each.closest('.hidden-text, svg'))
                .filter((each) => each.getClientRects().length > 0)
                .filter((each) => each.getBoundingClientRect().right > wide + 1)
                .map((each) => each.outerHTML.slice(0, 120));
            }"""
        )
        assert beyond == [], f"{width} px"


def test_focus_is_seen_and_the_skip_link_leads_to_the_content(operator: Page, room: MockControlRoom) -> None:
    operator.goto("/meters")
    expect(operator.locator("tbody a")).to_have_count(12)
    operator.keyboard.press("Tab")
    skip = operator.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert operator.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    assert operator.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    operator.keyboard.press("Enter")
    expect(operator.locator("main")).to_be_focused()


def test_the_clock_of_the_town_runs_at_its_speed(operator: Page, room: MockControlRoom) -> None:
    room.live_open = True
    operator.goto("/meters")
    clock = operator.get_by_role("group", name="Town clock")
    expect(clock).to_contain_text("23:1")
    expect(clock).to_contain_text("IST")
    expect(clock).to_contain_text("night, 12 Jun 2026")
    expect(clock).to_contain_text("×240")


def test_who_wants_no_motion_sees_none(chromium: Browser, address: str, room: MockControlRoom) -> None:
    context = chromium.new_context(base_url=address, reduced_motion="reduce")
    page = context.new_page()
    room.session = "operator"
    page.goto("/meters")
    expect(page.locator("tbody a")).to_have_count(12)
    first = page.locator("tbody tr").first.locator(".power_w")
    before = first.inner_text()
    expect(first).not_to_have_text(before)
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()
