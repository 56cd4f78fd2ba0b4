"""What the supervisor tells the person at the terminal: a few lines, and how far the first reading is."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.status import Status as Spinner

from bijlighar.controlroom.first_reading import NEARLY_WHOLE, STANDS_STILL_S
from bijlighar.controlroom.governor import CAUGHT_UP_S
from bijlighar.controlroom.health import Health

PLAIN_EVERY_S = 5.0
"""Without a terminal (a log, a pipe) progress is a line now and then."""


class Teller:
    """Writes to a console.

    ``address`` of the page; ``sign_ins`` name → password, only in a demo; ``days`` that are read back.
    """

    def __init__(
        self, console: Console, *, address: str, sign_ins: Mapping[str, str], town: bool, days: int
    ) -> None:
        self._console = console
        self._address = address
        self._sign_ins = sign_ins
        self._town = town
        self._days = days
        self._spinner: Spinner | None = None
        self._caught_up = False
        self._told_s = 0.0
        self._share = 0.0
        self._grew_s = time.monotonic()
        self._began_s = time.monotonic()

    def say(self, sentence: str) -> None:
        """One line."""
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def ready(self) -> None:
        """The page can be opened."""
        taken_s = time.monotonic() - self._began_s
        self.say(f"The control room is open at [bold]{self._address}[/bold] (after {taken_s:.1f} s).")
        for name, password in self._sign_ins.items():
            self.say(f"  sign in as [bold]{name}[/bold] with the password [bold]{password}[/bold]")
        self.say("Ctrl-C ends everything.")
        self._began_s = self._grew_s = time.monotonic()

    def progress(self, health: Health | None, *, speed: float) -> None:
        """How far the reading is, until it has caught up for the first time."""
        if self._caught_up or health is None:
            return
        if self._is_caught_up(health):
            self._end_spinner()
            self._caught_up = True
            taken_s = time.monotonic() - self._began_s
            share = (
                ""
                if health.history_share is None
                else f", {health.history_share:.1%} of {self._days} days' blocks"
            )
            self.say(f"The meters' history is read: {health.readings:,} rows{share}, in {taken_s:.0f} s.")
            return
        told = f"Reading the meters' history: {health.readings:,} rows"
        if health.history_share is not None:
            told += f", {health.history_share:.0%} of {self._days} days"
        if self._town:
            told += f"; the town runs at {speed:.0f} times real time"
        self._show(told)

    def _is_caught_up(self, health: Health) -> bool:
        """Nothing due is late, and the history is whole or has stopped growing: some of it may be gone.

        In the first seconds nothing can be late, and how much is read is not known yet: that is no end.
        """
        now_s = time.monotonic()
        if health.history_share is not None and health.history_share > self._share:
            self._share, self._grew_s = health.history_share, now_s
        in_time = health.lag_s is not None and health.lag_s <= CAUGHT_UP_S
        is_whole = health.history_share is not None and health.history_share >= NEARLY_WHOLE
        return in_time and health.readings > 0 and (is_whole or now_s - self._grew_s > STANDS_STILL_S)

    def _show(self, told: str) -> None:
        if self._console.is_terminal:
            if self._spinner is None:
                self._spinner = self._console.status(told)
                self._spinner.start()
            self._spinner.update(told)
        elif time.monotonic() - self._told_s >= PLAIN_EVERY_S:
            self._told_s = time.monotonic()
            self.say(told)

    def trouble(self, sentence: str) -> None:
        """Something went wrong and is being put right."""
        self._console.print(sentence, style="yellow", highlight=False, soft_wrap=True, markup=False)

    def ending(self) -> None:
        """All is being ended."""
        self._end_spinner()
        self.say("Ending …")

    def _end_spinner(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
