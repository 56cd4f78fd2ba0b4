"""Build the wheel from the tree, without the network, and refuse one that lacks the built pages."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = "bijlighar/controlroom/pages/index.html"


class WheelWithoutPages(Exception):
    """The wheel would start a control room that shows nothing."""


def build_wheel(folder: Path) -> Path:
    """The wheel built into ``folder``. Raises WheelWithoutPages, or CalledProcessError with the build's words."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
    )
    wheel = max(folder.glob("bijlighar-*.whl"), key=lambda file: file.stat().st_mtime_ns)
    check(wheel)
    return wheel


def check(wheel: Path) -> None:
    """Raise WheelWithoutPages unless the built pages are inside."""
    with zipfile.ZipFile(wheel) as archive:
        if PAGES not in archive.namelist():
            raise WheelWithoutPages(f"{wheel.name} holds no {PAGES}: make setup builds the pages")


def main() -> int:
    """Build into dist/ and say how large the wheel is."""
    try:
        wheel = build_wheel(ROOT / "dist")
    except subprocess.CalledProcessError as failure:
        print(failure.stdout, failure.stderr, sep="\n", file=sys.stderr)
        return 1
    except WheelWithoutPages as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{wheel.relative_to(ROOT)}: {wheel.stat().st_size / 1e6:.1f} MB, pages inside")
    return 0


if __name__ == "__main__":
    sys.exit(main())
