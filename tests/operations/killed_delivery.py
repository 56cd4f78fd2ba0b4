"""Delivers what is due and is killed: when the billing server has taken it, or while its answers are kept.

Run as ``python killed_delivery.py URL FOLDER BOOK NOW WHEN``, where WHEN is ``taken``, before anything is noted,
or ``answered``, after the answers were written and before they count. BOOK gets a line for each statement.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from bijlighar.cim.billing import Acknowledgement, Delivery
from bijlighar.mdm.measurements import Bill
from bijlighar.operations.billing_exchange.delivering import deliver_due
from bijlighar.records import Records, billing_out


class Door:
    """A billing server whose answer nobody lives to hear, or to keep."""

    def __init__(self, book: Path, when: str) -> None:
        self.book = book
        self.when = when

    def send(self, deliveries: Sequence[Delivery]) -> list[Acknowledgement]:
        """Take all, then the sender dies."""
        with self.book.open("a") as book:
            book.writelines(f"{each.key}\n" for each in deliveries)
        if self.when == "taken":
            die()
        return [
            Acknowledgement(key=each.key, accepted=True, bill_reference="B", billed_wh=each.statement.import_wh)
            for each in deliveries
        ]


def die() -> None:
    """At once, as when the power fails."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    url, folder, book, now_s, when = sys.argv[1:]
    real = billing_out.add_bills

    def add_and_die(connection: Connection, bills: Sequence[Bill]) -> None:
        """The last statement of the transaction, and then no commit."""
        real(connection, bills)
        die()

    if when == "answered":
        billing_out.add_bills = add_and_die
    with Records(url, Path(folder), now=lambda: float(now_s)) as records:
        deliver_due(records, Door(Path(book), when), now_s=int(now_s))
