"""Grow the kept corpus: ``python -m fuzz.grow TARGET SECONDS`` fuzzes and keeps the shortest of what was new.

What is kept is rewritten whole, in ``corpus/TARGET.hex``; run it after a decoder has grown, and commit the file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.seeds import CORPUS

MOST_OCTETS = 512
"""Longer inputs are not kept: they reach nothing that a shorter one does not, but once in a hundred."""
MOST_KEPT = 150


def main() -> int:
    """The driver's status: nothing is kept when something was found."""
    name, seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run([sys.executable, "-m", "fuzz.driver", name, seconds, folder], check=False)
        if ended.returncode:
            return ended.returncode
        grown = [file for file in Path(folder, "corpus").iterdir() if not file.name.startswith("seed-")]
        inputs = sorted({file.read_bytes() for file in grown}, key=lambda octets: (len(octets), octets))
        lines = [octets.hex() for octets in inputs if 0 < len(octets) <= MOST_OCTETS][:MOST_KEPT]
    CORPUS.joinpath(f"{name}.hex").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(lines)} inputs kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
