"""The secret that signs the pages' anti-forgery tokens: drawn once, kept beside the records, read by its owner."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FILE = "web.secret"
_OCTETS = 32


def web_secret(data_dir: Path) -> str:
    """The kept secret; drawn at the first call. Another process that draws at the same moment does no harm."""
    path = data_dir / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) == 2 * _OCTETS:
            return kept
        # A machine that failed in the middle left it short: draw anew, at the price of reloading open pages.
        path.unlink()
        return web_secret(data_dir)
    drawn = secrets.token_hex(_OCTETS)
    with os.fdopen(descriptor, "w") as file:
        file.write(drawn)
    return drawn
