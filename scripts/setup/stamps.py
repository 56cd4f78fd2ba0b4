"""Stamps: a step is done again only when the content it was made from has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from scripts.setup.progress import ROOT

STAMPS = ROOT / ".setup"
"""Git-ignored; ``make clean`` removes it, and everything is checked anew."""


def content_hash(files: Iterable[Path], *words: str) -> str:
    """SHA-256 over the names and octets of ``files`` (in any order) and over ``words``."""
    digest = hashlib.sha256("\0".join(words).encode())
    for file in sorted(files):
        octets = file.read_bytes()
        digest.update(f"\0{file.relative_to(ROOT)}\0{len(octets)}\0".encode())
        digest.update(octets)
    return digest.hexdigest()


def is_current(name: str, wanted: str) -> bool:
    """Whether the step ``name`` was last done for exactly ``wanted``."""
    stamp = STAMPS / name
    return stamp.is_file() and stamp.read_text() == wanted


def write(name: str, done: str) -> None:
    """Remember that the step ``name`` is done for ``done``."""
    STAMPS.mkdir(exist_ok=True)
    (STAMPS / name).write_text(done)


def forget(*names: str) -> None:
    """The steps are to be done again."""
    for name in names:
        (STAMPS / name).unlink(missing_ok=True)
