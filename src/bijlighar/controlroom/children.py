"""Child processes: started tied to this one, watched, started again with back-off, ended within seconds."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A process that ran this long has earned a quick restart again."""
END_WITHIN_S = 6.0
"""After SIGTERM; whoever still runs then is killed. A head-end takes up to 5 s: visits end, and what they read
lands."""
LARGEST_LOG_OCTETS = 20_000_000
"""A log beyond this is set aside; one older log is kept."""
EXIT_USER_FAULT = 2
"""A process that says the fault is the user's is not started again: it would say the same."""


class GaveUp(Exception):
    """A child ended with a fault of the settings or the machine. ``name``, ``said``: its last line."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name} ended: {said}")
        self.name = name
        self.said = said


@dataclass(kw_only=True)
class Child:
    """One process of ours.

    ``arguments``    what follows the Python interpreter
    ``environment``  added to the own environment
    ``log``          file for what the process prints
    ``ends_last``    the others use it until they have ended
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ends_last: bool = False
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _asked_to_end: bool = False
    _started_s: float = 0.0
    _back_off_s: float = FIRST_BACK_OFF_S
    _start_at_s: float | None = None

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""
        return self._process.pid if self._process is not None and self.runs else None

    @property
    def runs(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. It gets a session of its own, so that Ctrl-C reaches only the supervisor."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [sys.executable, "-m", "bijlighar.controlroom.tied", str(os.getpid()), sys.executable]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and modules, no shell)
                [*command, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self._started_s = time.monotonic()
        self._start_at_s = None

    def watch(self) -> str | None:
        """Look once: start again what died, when its back-off has passed. A sentence when it died, else None.

        Raises GaveUp when the process says that a restart cannot help.
        """
        self._set_log_aside()
        now_s = time.monotonic()
        if self.runs or self._process is None:
            return None
        if self._start_at_s is not None:
            if now_s >= self._start_at_s:
                self.restarts += 1
                self.start()
            return None
        code = self._process.returncode
        if code == EXIT_USER_FAULT:
            raise GaveUp(self.name, self.last_line())
        if now_s - self._started_s > HEALTHY_AFTER_S:
            self._back_off_s = FIRST_BACK_OFF_S
        wait_s = self._back_off_s
        self._start_at_s = now_s + wait_s
        self._back_off_s = min(LONGEST_BACK_OFF_S, self._back_off_s * 2)
        return f"{self.name} ended ({_how(code)}); started again in {wait_s:.0f} s, its log is {self.log}"

    def _set_log_aside(self) -> None:
        """Copy a large log away and empty it. The child appends, so it goes on at the new end."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LARGEST_LOG_OCTETS:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def last_line(self) -> str:
        """The last line of the log, for a message."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 2_000))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    def kill_hung(self) -> None:
        """Kill a process that lives but does not answer; ``watch`` starts it again."""
        self._signal_group(signal.SIGKILL)

    def ask_to_end(self) -> None:
        """Tell the process to end, and do not wait."""
        if self._process is not None and not self._asked_to_end:
            self._asked_to_end = True
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """End the process and whatever it started. Returns when none is left."""
        if self._process is None:
            return
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._process, self._asked_to_end = None, False

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
