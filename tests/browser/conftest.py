"""A browser, the stand-in for the control room, and a guard that no page speaks to anybody else or complains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from browser.mock_api import PASSWORD, MockControlRoom, Server

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOWN_WITHIN_MS = 15_000
"""Two cores may be shared with other tests."""
LOOK_MS = 50
expect.set_options(timeout=SHOWN_WITHIN_MS)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One driver for all tests."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[MockControlRoom, str]]:
    room = MockControlRoom()
    assert "index.html" in room.pages, "the pages are not built: npm run build in web/"
    server = Server(room)
    yield room, server.start()
    server.stop()


@pytest.fixture
def room(_served: tuple[MockControlRoom, str]) -> MockControlRoom:
    """The stand-in in its ordinary state."""
    _served[0].reset()
    return _served[0]


@pytest.fixture
def address(_served: tuple[MockControlRoom, str]) -> str:
    """Where the stand-in serves."""
    return _served[1]


class Complaints:
    """What a page says that it should not. ``expected`` are parts of texts that a test provokes on purpose."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.expected: list[str] = []
        self.found: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.set_default_timeout(SHOWN_WITHIN_MS)
        page.on("console", lambda told: self._say(f"{told.type}: {told.text}", told.type in ("error", "warning")))
        page.on("pageerror", lambda error: self._say(f"uncaught: {error}", True))
        page.on("request", lambda asked: self._say(f"outside: {asked.url}", not self._is_ours(asked.url)))

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self._address, "blob:", "data:"))

    def _say(self, text: str, wrong: bool) -> None:
        if wrong:
            self.found.append(text)

    def left(self) -> list[str]:
        """Complaints that nobody expected."""
        return [text for text in self.found if not any(part in text for part in self.expected)]


@pytest.fixture
def complaints(address: str) -> Iterator[Complaints]:
    """Fails the test when its page complained or spoke to anybody but its server."""
    complaints = Complaints(address)
    yield complaints
    assert complaints.left() == []


@pytest.fixture
def context(chromium: Browser, address: str) -> Iterator[BrowserContext]:
    """A new visitor on a desk, in English."""
    context = chromium.new_context(
        base_url=address, viewport={"width": 1440, "height": 900}, locale="en-IN", color_scheme="dark"
    )
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """A page that nobody has signed in to."""
    page = context.new_page()
    complaints.watch(page)
    return page


@pytest.fixture
def operator(page: Page, room: MockControlRoom) -> Page:
    """A page with an operator signed in, nothing opened yet."""
    room.session = "operator"
    return page


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Return when something on this side of the page holds; the page goes on meanwhile."""
    for _ in range(SHOWN_WITHIN_MS // LOOK_MS):
        if holds():
            return
        page.wait_for_timeout(LOOK_MS)
    raise AssertionError("what was waited for has not come")


def sign_in(page: Page, name: str = "operator", password: str = PASSWORD) -> None:
    """Fill in the sign-in form."""
    page.locator("#sign-in-name").fill(name)
    page.locator("#sign-in-password").fill(password)
    page.locator("form button[type=submit]").click()
