"""Run one input again: ``python -m fuzz.replay TARGET FILE|HEX``, with the traceback of what it breaks."""

from __future__ import annotations

import sys
from pathlib import Path

from fuzz.targets import TARGETS


def main() -> None:
    """Returns for an input that breaks nothing."""
    name, given = sys.argv[1:]
    file = Path(given) if len(given) < 256 else None
    octets = file.read_bytes() if file is not None and file.is_file() else bytes.fromhex(given)
    TARGETS[name](octets)
    print(f"{name}: {len(octets)} octets break nothing")


if __name__ == "__main__":
    main()
