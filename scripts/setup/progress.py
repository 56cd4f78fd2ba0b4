"""A few lines that say what the set-up does, with elapsed seconds, and a clear sentence when it cannot go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: the folder that holds Makefile, src and web."""

SILENT_S = 15.0
"""Without a terminal a running step says how far it is at most this often, so that a log stays short."""

FIRST_LINES, LAST_LINES = 12, 15
"""Lines of a failed command that are shown: some tools explain at once, some at the end, and talk in between."""

_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Could not resolve|Name or service not known|Max retries exceeded"
    r"|NewConnectionError|Network is unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ConnectTimeout"
    r"|Failed to fetch|Unable to locate package"
)

_started_s = time.monotonic()


class CannotGoOn(Exception):
    """The set-up stops here; the text is a sentence for the person who started it."""


def say(text: str) -> None:
    """One line with the seconds since the start."""
    print(f"[{time.monotonic() - _started_s:4.0f} s] {text}", flush=True)


class Progress:
    """One step that takes a while: redrawn in place on a terminal, now and then a line elsewhere."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._terminal = sys.stdout.isatty()
        self._last_s = time.monotonic()
        say(label)

    def show(self, state: str) -> None:
        """``state`` follows the label, as in "31 of 75 packages"."""
        now_s = time.monotonic()
        if self._terminal:
            print(f"\r\x1b[2K[{now_s - _started_s:4.0f} s] {self.label}: {state}", end="", flush=True)
        elif now_s - self._last_s >= SILENT_S:
            self._last_s = now_s
            say(f"{self.label}: {state}")

    def end(self) -> None:
        """Leave the terminal's line clean."""
        if self._terminal:
            print("\r\x1b[2K", end="", flush=True)


def run(
    command: Iterable[str | Path],
    *,
    label: str,
    state_of: Callable[[str], str | None] = lambda _line: None,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> None:
    """Run ``command``, swallowing what it prints; ``state_of`` turns a line of it into a state worth showing.

    Raises CannotGoOn with the command's last lines when it fails.
    """
    progress = Progress(label)
    arguments = [str(part) for part in command]
    first: list[str] = []
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        arguments,
        cwd=cwd,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            (first if len(first) < FIRST_LINES else last).append(line.rstrip())
            state = state_of(line)
            if state is not None:
                progress.show(state)
    progress.end()
    if process.returncode != 0:
        raise CannotGoOn(_why(arguments, process.returncode, [*first, *last]))


def _why(arguments: list[str], status: int, said: list[str]) -> str:
    text = "\n".join(f"    {line}" for line in said if line)
    if _NO_NETWORK.search(text):
        cause = "A package could not be fetched. Is there a network, and does it reach the package index?"
    else:
        cause = f"`{' '.join(arguments[:6])}` ended with status {status}."
    return f"{text}\n{cause}"
