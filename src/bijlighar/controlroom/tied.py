"""Runs a command that ends with its parent: ``python -m bijlighar.controlroom.tied PARENT_PID COMMAND…``.

The supervisor starts every process through this, so that even a killed supervisor leaves none behind. Linux only
(prctl(2), PR_SET_PDEATHSIG; kept across execve). Imports little, because it stands before every start.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the signal was asked for
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 (the supervisor's own command, no shell)


if __name__ == "__main__":
    main(sys.argv[1:])
