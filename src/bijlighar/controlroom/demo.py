"""The demo: one command makes a town of virtual meters, reads it and shows it."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from bijlighar.controlroom.children import Child
from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.opening import open_records
from bijlighar.controlroom.ports import PortTaken, free_port, free_push_port, require_free
from bijlighar.controlroom.settings import ENVIRONMENT_PREFIX, Settings
from bijlighar.controlroom.supervisor import DataDirLock, Supervisor, Town, product_children
from bijlighar.controlroom.telling import Teller
from bijlighar.controlroom.town import (
    TownTime,
    bill_daily,
    furnish,
    keyring_of,
    private_folder,
    start_clock,
    town_options,
    write_sheets,
)
from bijlighar.headend.clock import TownClock

METER_PORT = 4059
"""DLMS/COSEM's registered port (IANA: dlms-cosem)."""
DEFAULT_SPEED = 240.0
"""A block of half an hour every 7.5 seconds, a day in six minutes, a trial of three days in eighteen. A round trip
of LTE, 0.12 s, is then half a minute of the town: a meter's clock is still seen, with that as doubt."""
LOADS_SHEET = "usage_points.csv"
"""What the stand-in billing server must know of the consumers: their sanctioned loads."""
SECRET_OCTETS = 16
HISTORY_DAYS = 35
"""All that a meter of IS 15959 keeps."""
TOWN_HISTORY_DAYS = 7
"""Of a larger town: 2,000 first visits of 35 days each take one tower's radio ten minutes, of a week two."""
SEED = 2
"""A trial whose eleven meters have good radio; with seed 1 two of them lose a try in ten."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What to show. ``settings`` name data directory, port and clock file; ``meters`` None: as the town has.

    ``physics``: voltages and losses by power flow.

    ``meter_port`` 0: the registered port, or a free one when another program has it. ``push``: whether the meters
    also tell unasked, alerts and last gasps among it, to the head-end's listener on a free port.
    """

    settings: Settings
    town: str
    scenes: Sequence[str] = ()
    speed: float = DEFAULT_SPEED
    radio: str = "lte"
    meter_port: int = 0
    seed: int = SEED
    meters: int | None = None
    push: bool = True
    physics: bool = False

    @property
    def bills(self) -> bool:
        """Whether a billing server stands beside: a city is billed by the month, which no demo sees the end of."""
        return self.town != "city"


def demo_settings(data_dir: Path, port: int, town: str, headends: int = 1) -> Settings:
    """Settings of a demo: this machine only, the master key beside the records, the town's clock."""
    return Settings(
        data_dir=str(data_dir),
        port=port,
        town=town,
        headends=headends,
        backfill_days=HISTORY_DAYS if town == "trial" else TOWN_HISTORY_DAYS,
        clock_file=str(data_dir / "town.clock"),
        master_key_file=str(data_dir / "master.key"),
    )


def run_demo(demo: Demo, console: Console) -> None:
    """Run until a signal. Raises PortTaken, AlreadyRunning, TownRefused, GaveUp, NotReady, Unavailable."""
    settings = demo.settings
    lock = DataDirLock(settings.data_path)
    try:
        require_free(settings.host, settings.port, "the control room")
        demo = replace(demo, meter_port=_meter_port(demo.meter_port))
        if demo.push:
            settings = msgspec.structs.replace(settings, push_address=f"127.0.0.1:{free_push_port()}")
            demo = replace(demo, settings=settings)
        if demo.bills:
            settings = msgspec.structs.replace(
                settings,
                billing_url=f"http://127.0.0.1:{free_port()}/statements",
                billing_secret=secrets.token_hex(SECRET_OCTETS),
            )
            demo = replace(demo, settings=settings)
        teller = Teller(
            console,
            address=f"http://localhost:{settings.port}",
            sign_ins={name: facts[0] for name, facts in DEMO_PEOPLE.items()},
            town=True,
            days=settings.backfill_days,
        )
        teller.say(f"Making the town [bold]{demo.town}[/bold] in {settings.data_path} …")
        clock = start_clock(settings.data_path, Path(settings.clock_file), wall_s=time.time())
        _furnish(demo, clock)
        others = [_billing_server(demo)] if demo.bills else []
        children = [_meters(demo), *others, *product_children(settings)]
        town = Town(clock=clock, time=TownTime(settings.data_path), speed=demo.speed)
        Supervisor(settings, children, teller, town=town).run()
    finally:
        lock.close()


def _meter_port(wanted: int) -> int:
    everywhere = "0.0.0.0"  # noqa: S104 (every 127.x.y.z is a meter; the listener drops all other addresses)
    if wanted:
        require_free(everywhere, wanted, "the virtual meters", option="--meter-port")
        return wanted
    try:
        require_free(everywhere, METER_PORT, "the virtual meters")
    except PortTaken:
        return free_port(everywhere)
    return METER_PORT


def _furnish(demo: Demo, clock: TownClock) -> None:
    settings = demo.settings
    keyring = keyring_of(settings.master_key_path)
    with open_records(settings, clock) as records, private_folder(settings.data_path) as sheets:
        write_sheets(sheets, town=demo.town, seed=demo.seed, port=demo.meter_port, meters=demo.meters)
        furnish(records, sheets, keyring, now_s=clock.now())
        if demo.bills:
            bill_daily(records, now_s=clock.now())
            folder = _billing_folder(settings)
            folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(sheets / LOADS_SHEET, folder / LOADS_SHEET)


def _billing_folder(settings: Settings) -> Path:
    return settings.data_path / "billing-server"


def _billing_server(demo: Demo) -> Child:
    settings = demo.settings
    return Child(
        name="billing-server",
        arguments=[
            *("-m", "meterlab", "billing"),
            *("--port", str(urlsplit(settings.billing_url).port)),
            *("--product", f"http://127.0.0.1:{settings.port}"),
            *("--registry", str(_billing_folder(settings))),
            *("--clock", settings.clock_file),
        ],
        log=settings.data_path / "logs" / "billing-server.log",
        environment={f"{ENVIRONMENT_PREFIX}BILLING_SECRET": settings.billing_secret},
    )


def _meters(demo: Demo) -> Child:
    scenes = [part for scene in demo.scenes for part in ("--scene", scene)]
    pushes = ["--push", demo.settings.push_address] if demo.settings.push_address else []
    return Child(
        name="meterlab",
        ends_last=True,
        arguments=[
            "-m",
            "meterlab",
            "serve",
            *town_options(demo.town, demo.seed, demo.meters),
            "--port",
            str(demo.meter_port),
            "--clock",
            demo.settings.clock_file,
            "--radio",
            demo.radio,
            *(["--physics"] if demo.physics else []),
            *pushes,
            *scenes,
        ],
        log=demo.settings.data_path / "logs" / "meterlab.log",
    )


def run_product(settings: Settings, console: Console) -> None:
    """``bijlighar serve``: head-ends and control room. Raises as ``run_demo``."""
    lock = DataDirLock(settings.data_path)
    try:
        require_free(settings.host, settings.port, "the control room")
        address = f"http://{settings.host_names[0]}:{settings.port}"
        teller = Teller(console, address=address, sign_ins={}, town=False, days=settings.backfill_days)
        Supervisor(settings, product_children(settings), teller).run()
    finally:
        lock.close()
