"""A town for the tests of the billing link: two days of blocks and registers, estimated and validated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from bijlighar.cim.billing import Acknowledgement, Delivery
from bijlighar.cim.period import civil_day
from bijlighar.operations.billing_exchange.delivering import BillingServerAway
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, block_load, registers, town

DAYS = 4
START_S = civil_day(JUNE).start_s
USED = {meter: sum(range(48)) + 48 * 1000 * meter for meter in range(1, 5)}


def billing_town(folder: Path, url: str, *, silent: Sequence[int] = ()) -> Iterator[Records]:
    """Four days from June on: every consumer but the silent ones gave all blocks and midnights."""
    for records in town(folder, url):
        records.settings.put(
            Setting(key=CYCLE_KEY, value="daily", valid_from_s=0, changed_by="officer", changed_s=0)
        )
        heard = [meter for meter in USED if meter not in silent]
        for ago in range(DAYS + 1):
            at_s = START_S + ago * 86_400
            records.landing.land([registers({meter: 7_000 + ago * USED[meter] for meter in heard}, at_s)], [])
        for ago in range(DAYS):
            records.landing.land([block_load(heard, day=JUNE + timedelta(days=ago))], [])
        yield records


def after(day_number: int, hours: float = 25.0) -> int:
    """So many hours after the end of a day, counted from June as 0."""
    return int(START_S + (day_number + 1) * 86_400 + hours * 3600)


class BillingServer:
    """A billing server in the test's hands: bills what it is sent, at once or not, right or not."""

    def __init__(self) -> None:
        self.away = ""
        self.silent = False
        self.more_wh = 0
        self.received: list[str] = []
        self.bills: dict[str, Acknowledgement] = {}

    def send(self, deliveries: Sequence[Delivery]) -> list[Acknowledgement]:
        self.received += [each.key for each in deliveries]
        if self.away:
            raise BillingServerAway(self.away)
        return [] if self.silent else [self.bill(each) for each in deliveries]

    def bill(self, delivery: Delivery) -> Acknowledgement:
        return self.bills.setdefault(
            delivery.key,
            Acknowledgement(
                key=delivery.key,
                accepted=True,
                bill_reference=f"B-{len(self.bills) + 1}",
                billed_wh=delivery.statement.import_wh + self.more_wh,
                amount_paise=None,
            ),
        )
