"""Every check of the source, one after another, each told with its seconds; all run even when one fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Some tools colour what they say even where no terminal is."""

PYTHON_CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "types of scripts": ["mypy", "-p", "scripts"],
    "floors": ["lint-imports"],
}
PAGES_CHECKS = {
    "pages: types, format, lint": ["npm", "run", "--silent", "check"],
    "pages: tests": ["npm", "test", "--silent"],
}


def passes(name: str, command: list[str], folder: Path) -> bool:
    """Run one check; what it says is shown only when it fails."""
    started_s = time.monotonic()
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=folder,
        env=os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(_COLOUR.sub("", done.stdout))
    verdict = "passed" if done.returncode == 0 else "FAILED"
    print(f"{verdict}  {name} ({time.monotonic() - started_s:.1f} s)", flush=True)
    return done.returncode == 0


def main() -> int:
    """0 when every check passes."""
    verdicts = [passes(name, command, ROOT) for name, command in PYTHON_CHECKS.items()]
    verdicts += [passes(name, command, ROOT / "web") for name, command in PAGES_CHECKS.items()]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
