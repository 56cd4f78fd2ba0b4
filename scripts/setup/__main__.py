"""Set up parts of the project: `python3 -m scripts.setup PART…`; the Makefile starts it, Python alone carries it.

Every part is idempotent: it looks at stamps of what it was made from and does nothing when nothing has changed.
"""

from __future__ import annotations

import fcntl
import sys

from scripts.setup import debian, environments, pages, stamps
from scripts.setup.progress import CannotGoOn

PARTS = {
    "product": environments.install_product,
    "develop": environments.install_develop,
    "pages": pages.build_pages,
    "warm": environments.warm_up,
    "interop": environments.install_peers,
    "postgresql": environments.install_postgresql,
    "fuzz": environments.install_fuzzer,
    "spark": environments.install_spark,
    "debian-chromium": debian.install_chromium,
    "debian-postgresql": debian.install_postgresql_server,
    "debian-java": debian.install_java,
}


def main(names: list[str]) -> int:
    """Set up the named parts in order; 1 when one cannot be, with a sentence that says why."""
    unknown = [name for name in names if name not in PARTS]
    if unknown or not names:
        print(f"usage: python3 -m scripts.setup {{{','.join(PARTS)}}}…", file=sys.stderr)
        return 2
    stamps.STAMPS.mkdir(exist_ok=True)
    with (stamps.STAMPS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once would install over each other
        try:
            for name in names:
                PARTS[name]()
        except CannotGoOn as reason:
            print(f"\n{reason}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped; the next start goes on from here", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
