"""Delivers what is due and is killed when the billing server has taken it, before anything is noted.

Run as ``python killed_delivery.py URL FOLDER BOOK NOW``; BOOK gets a line for each statement that was taken.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bijlighar.cim.billing import Acknowledgement, Delivery
from bijlighar.operations.billing_exchange.delivering import deliver_due
from bijlighar.records import Records


class Door:
    """A billing server whose answer nobody lives to hear."""

    def __init__(self, book: Path) -> None:
        self.book = book

    def send(self, deliveries: Sequence[Delivery]) -> list[Acknowledgement]:
        """Take all, then the sender dies."""
        with self.book.open("a") as book:
            book.writelines(f"{each.key}\n" for each in deliveries)
        os.kill(os.getpid(), signal.SIGKILL)
        return []


if __name__ == "__main__":
    url, folder, book, now_s = sys.argv[1:]
    with Records(url, Path(folder), now=lambda: float(now_s)) as records:
        deliver_due(records, Door(Path(book)), now_s=int(now_s))
