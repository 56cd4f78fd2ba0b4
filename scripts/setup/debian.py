"""What the last tests need from Debian: a browser with fonts, PostgreSQL, Java. Installed only when missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scripts.setup.progress import CannotGoOn, run

CHROMIUM = Path("/usr/bin/chromium")
LIBRARIES = Path("/usr/lib")
"""Playwright's own Node links to libatomic, which a bare Debian lacks."""

POSTGRESQL = Path("/usr/lib/postgresql")


def install_chromium() -> None:
    """Debian's Chromium and what its driver links to; never a browser that a test tool fetches for itself."""
    if not CHROMIUM.exists() or not any(LIBRARIES.glob("*/libatomic.so.1")):
        _apt_get("chromium", "libatomic1", label="Debian's Chromium")


def install_postgresql_server() -> None:
    """Debian's PostgreSQL; the tests start a server of their own from it."""
    if not POSTGRESQL.exists():
        _apt_get("postgresql", label="Debian's PostgreSQL")


def install_java() -> None:
    """Debian's Java 17 without a screen, on which Spark runs."""
    if shutil.which("java") is None:
        _apt_get("openjdk-17-jre-headless", label="Debian's Java")


def _apt_get(*packages: str, label: str) -> None:
    apt_get = shutil.which("apt-get")
    wish = f"apt-get install {' '.join(packages)}"
    if apt_get is None:
        raise CannotGoOn(f"These tests need {label}, and this is not a Debian: install {' '.join(packages)}.")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and shutil.which("sudo") is None:
        raise CannotGoOn(f"These tests need {label}. As root: {wish}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*prefix, apt_get, "update", "-q"], label="Debian's package lists", environment=quiet)
    run(
        [*prefix, apt_get, "install", "-y", "-q", "--no-install-recommends", *packages],
        label=label,
        environment=quiet,
    )
