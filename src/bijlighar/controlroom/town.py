"""The demo's town: its clock and the time it stood at, its registry, its people, its trial.

Town time goes on where it stood: at a later start it is the stored time, or three days before today's midnight
when that is later. Time for which the demo was off does not exist in the town.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bijlighar.cim.network import UsagePointKind
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom import passwords
from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.roles import Role
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring, create_master_key
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY
from bijlighar.operations.field_trial.define import begin_trial, consumer_meters
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from bijlighar.records.people import Person
from bijlighar.records.registry_import import ImportReport
from bijlighar.records.settings import Setting

DAYS_BEFORE_PRESENT = 3
DAY_S = 86_400

TRIAL_METERS = 11
"""The trial of a larger town has as many as that of one house: a trial is made before a rollout."""
TRIAL_NAME = "Sweet Home Apartment"
TRIAL_NAME_HI = "स्वीट होम अपार्टमेंट"

SHEETS_WITHIN_S = 120
"""The trial's sheets take a second, a city's a minute."""


class TownRefused(Exception):
    """The town cannot be made. ``reason`` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def town_start_s(stored_s: float | None, *, wall_s: float) -> float:
    """Where town time begins at a start of the demo, epoch seconds."""
    earliest_s = float(civil_day(civil_date(int(wall_s))).start_s - DAYS_BEFORE_PRESENT * DAY_S)
    return earliest_s if stored_s is None else max(stored_s, earliest_s)


class TownTime:
    """The time at which the town last stood, in a file beside the records."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "town.json"

    def stored_s(self) -> float | None:
        """Epoch seconds, or None when nothing usable is stored."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return float(json.loads(self._file.read_text(encoding="utf-8"))["now_s"])
        return None

    def store(self, now_s: float) -> None:
        """Keep where the town stands; whole or not at all."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"now_s": now_s}), encoding="utf-8")
        fresh.replace(self._file)


def start_clock(data_dir: Path, file: Path, *, wall_s: float) -> TownClock:
    """The town's clock, standing until the governor lets it run."""
    start_s = town_start_s(TownTime(data_dir).stored_s(), wall_s=wall_s)
    return TownClock.create(file, start_s=start_s, speed=0.0)


def keyring_of(path: Path) -> Keyring:
    """The keyring of the demo's own master key, drawn at the first start."""
    with contextlib.suppress(FileExistsError):
        create_master_key(path)
    return Keyring.load(path, environment={})


def furnish(records: Records, sheets: Path, keyring: Keyring, *, now_s: float) -> ImportReport:
    """Import the town's registry, make the demo's people, begin the trial. The same again changes nothing.

    Raises TownRefused when the sheets do not fit, Unavailable.
    """
    report = import_registry(records, sheets, keyring)
    if report.errors:
        first = report.errors[0]
        raise TownRefused(f"the town's registry is refused: {first.file} row {first.row}: {first.detail}")
    for name, (password, shown, shown_hi, role) in DEMO_PEOPLE.items():
        if records.people.find(name) is None:
            person = Person(
                name=name,
                display_name=shown,
                display_name_hi=shown_hi,
                password_hash=passwords.hashed(password),
                roles=(role.value,),
                language="hi" if role is Role.CONSUMER else "en",
            )
            records.people.put(person)
            if role is Role.CONSUMER:
                records.consumers.set_points(name, [_first_home(records)], since_s=0, tied_by="demo")
    if records.trials.current() is None:
        begin_trial(
            records,
            name=TRIAL_NAME,
            name_hi=TRIAL_NAME_HI,
            now_s=now_s,
            meter_ids=consumer_meters(records)[:TRIAL_METERS],
        )
    return report


def bill_daily(records: Records, *, now_s: float) -> None:
    """Have every day stated to the billing server, as a trial wants it, unless a cycle was chosen before."""
    if not records.settings.history(CYCLE_KEY):
        records.settings.put(
            Setting(key=CYCLE_KEY, value="daily", valid_from_s=0, changed_by="demo", changed_s=int(now_s))
        )


def _first_home(records: Records) -> str:
    """The first consumer's usage point."""
    return min(point.code for point in records.registry.usage_points() if point.kind is UsagePointKind.CONSUMER)


def write_sheets(folder: Path, *, town: str, seed: int, port: int, meters: int | None = None) -> None:
    """Have the virtual meters' program write the town's sheets. Raises TownRefused with its own words."""
    command = [sys.executable, "-m", "meterlab", "registry", str(folder), *town_options(town, seed, meters)]
    done = subprocess.run(  # noqa: S603 (our own interpreter and modules, no shell)
        [*command, "--port", str(port)],
        capture_output=True,
        text=True,
        timeout=SHEETS_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise TownRefused(lines[-1].removeprefix("meterlab: ") if lines else "the virtual meters do not start")


def town_options(town: str, seed: int, meters: int | None) -> list[str]:
    """The options by which every program means the same town."""
    options = ["--town", town, "--seed", str(seed)]
    return options if meters is None else [*options, "--meters", str(meters)]


@contextlib.contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A folder that only its owner can read and that is gone afterwards: sheets of keys pass through it."""
    with tempfile.TemporaryDirectory(dir=parent, prefix=".sheets-") as folder:
        yield Path(folder)
