"""The command line: ``meterlab serve``, ``truth``, ``flow``, ``registry``, ``scenes`` and ``billing``."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvloop

from bijlighar.headend.clock import Clock, TornClock, TownClock
from bijlighar.headend.model_files import ModelsNotUsable, add_models_of
from meterlab import makes, registry, scene_list, scenes, truth
from meterlab.billing_command import billing
from meterlab.calendar import day_of
from meterlab.dial_in import DialIn
from meterlab.exchange import DEFAULT_IDLE_S, DEFAULT_MOST_CONNECTIONS, Exchange
from meterlab.framing import Framing, hdlc_of
from meterlab.identity import serial
from meterlab.lab import FlowOf, Lab, UnknownTown, build, town_named
from meterlab.makes import WrongShare
from meterlab.own_clock import OwnClock
from meterlab.physics_options import (
    DEFAULT_PHYSICS_DAYS,
    FlowCacheOption,
    NoPhysics,
    PhysicsDaysOption,
    PhysicsOption,
    physics_of,
    report,
)
from meterlab.push import PushMaker
from meterlab.push_faults import Way
from meterlab.push_plan import PushPlan
from meterlab.push_sender import PushSender
from meterlab.radio import RadioKind
from meterlab.reached import WrongWay, with_ways
from meterlab.registers import INSTALLED_S
from meterlab.scenes import UnknownScene
from meterlab.server import PortTaken, descriptors_for, listener, serve
from meterlab.town import Town

_EXIT_USAGE = 2
_MOST_PORT = 65_535
_SERVE_HELP = """Answer for every meter of a town over DLMS/COSEM until interrupted.

Meter i, counted from 0, answers at the i-th address after 127.16.0.1; the homes come first, then the transformer
meters. Everything follows from --seed. The keys are TEST KEYS that anybody can derive.

Scenes (--scene NAME[:parameter=value]..., may be repeated):

"""

app = typer.Typer(
    help="Virtual meters and towns that speak DLMS/COSEM. For tests and demonstrations only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(billing)

TownOption = Annotated[str, typer.Option("--town", help="trial (11 homes), mohalla or city.")]
MetersOption = Annotated[int | None, typer.Option("--meters", help="Consumer meters; default 11, 2000 or 300000.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Everything about the town follows from it.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65_535, help="TCP port; 0 = any free one.")]
ClockOption = Annotated[Path | None, typer.Option("--clock", help="Clock file that a demo shares.")]
StartOption = Annotated[str | None, typer.Option("--start", help="Town time at the start, ISO 8601; default now.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME[=SHARE]",
        help="A make of meter, for a share of the homes or, category D4, of the transformers. Repeatable.",
    ),
]
ModelsDirOption = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="DIR", help="Folder of meter models beside those of the package."),
]
SceneOption = Annotated[list[str] | None, typer.Option("--scene", help="A fault by name; see `meterlab scenes`.")]


class _Wrong(Exception):
    """Something in the command line that cannot be done; the message is shown as it is."""


def _refuse(fault: Exception) -> typer.Exit:
    typer.echo(f"meterlab: {fault}", err=True)
    return typer.Exit(_EXIT_USAGE)


def _instant(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong(f"{text!r} is no ISO 8601 time such as 2026-06-15T22:40:00+05:30") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _clock(file: Path | None, start: str | None, speed: float) -> Clock:
    if file is None:
        return OwnClock(start_s=time.time() if start is None else _instant(start), speed=speed)
    try:
        return TownClock.open(file)
    except (OSError, TornClock) as fault:
        raise _Wrong(f"the clock file cannot be used: {fault}") from None


def _lab(
    town: Town,
    now_s: float,
    texts: list[str] | None,
    radio: RadioKind = RadioKind.NONE,
    scale: float = 1.0,
    flow_of: FlowOf | None = None,
) -> Lab:
    calls = [scenes.parse(text) for text in texts or []]
    return build(town, now_s=now_s, calls=calls, radio=radio, radio_scale=scale, flow_of=flow_of)


def _town(name: str, seed: int, consumers: int | None, models: list[str] | None, models_dir: Path | None) -> Town:
    try:
        add_models_of(models_dir)
    except ModelsNotUsable as fault:
        raise _Wrong(str(fault)) from None
    return town_named(name, seed, consumers, [makes.parse(text) for text in models or []])


@app.command(name="serve", help=_SERVE_HELP + "\n\n".join(line.strip() for line in scene_list.lines()))
def serve_command(
    town: TownOption = "trial",
    meters: MetersOption = None,
    seed: SeedOption = 1,
    port: PortOption = 4059,
    clock: ClockOption = None,
    start: StartOption = None,
    speed: Annotated[float, typer.Option(min=0, help="Town seconds in a second of the wall.")] = 1.0,
    keys_out: Annotated[Path | None, typer.Option(help="Write the test keys to this CSV file.")] = None,
    registry_out: Annotated[Path | None, typer.Option(help="Write all CSV files into this folder.")] = None,
    radio: Annotated[RadioKind, typer.Option(help="Delays and failures of the radio.")] = RadioKind.NONE,
    radio_scale: Annotated[float, typer.Option(min=0, help="Multiplies every radio delay.")] = 1.0,
    scene: SceneOption = None,
    model: ModelOption = None,
    models_dir: ModelsDirOption = None,
    push: Annotated[
        str | None, typer.Option("--push", metavar="HOST:PORT", help="Meters push there, over TCP and UDP.")
    ] = None,
    dial_in: Annotated[
        str | None,
        typer.Option(
            "--dial-in", metavar="HOST:PORT[,HOST:PORT…]", help="Meters that cannot be called call there, in turn."
        ),
    ] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Part of the meters that dial in.")] = 0.1,
    gateways: Annotated[int, typer.Option(min=0, help="Gateways, each with a hundred homes behind it.")] = 0,
    idle: Annotated[
        float, typer.Option(min=1, help="Seconds after which a silent client is dropped.")
    ] = DEFAULT_IDLE_S,
    framing: Annotated[Framing, typer.Option(help="What carries the meters' answers.")] = Framing.WRAPPER,
    max_connections: Annotated[int, typer.Option(min=1, help="Connections at a time.")] = DEFAULT_MOST_CONNECTIONS,
    physics: PhysicsOption = False,
    physics_days: PhysicsDaysOption = DEFAULT_PHYSICS_DAYS,
    flow_cache: FlowCacheOption = None,
) -> None:
    """Answer for every meter; the help shown to people is built above, with the scenes in it."""
    flow = None
    try:
        chosen = _clock(clock, start, speed)
        now_s, streets = chosen.now(), _town(town, seed, meters, model, models_dir)
        streets = with_ways(streets, gateways=gateways, dial_in_share=share if dial_in else 0.0)
        if physics:
            flow = physics_of(flow_cache, now_s=now_s, days=physics_days, own_process=True, tell=_tell)
        lab = _lab(streets, now_s, scene, radio, radio_scale, flow.flow_of if flow else None)
        target = _address(push)
        doors = [door for part in (dial_in or "").split(",") if part and (door := _address(part.strip()))]
        sock = listener(port)
    except (_Wrong, UnknownTown, WrongShare, WrongWay, UnknownScene, PortTaken, NoPhysics) as fault:
        raise _refuse(fault) from None
    exchange = Exchange(
        lab=lab,
        clock=chosen,
        idle_s=idle,
        most_connections=descriptors_for(max_connections),
        hdlc=hdlc_of(framing),
    )

    def ready(bound: int) -> None:
        _write_files(lab, bound, keys_out, registry_out)
        typer.echo(
            f"meterlab: ready: {_numbers(lab.town)} meters"
            f" of town {lab.town.name}, seed {seed}, {lab.town.host(0)} to {lab.town.host(len(lab.town) - 1)}"
            f" port {bound}"
        )
        sys.stdout.flush()

    uvloop.run(_until_stopped(exchange, sock, ready, target, doors))
    if flow is not None:
        flow.close()


async def _until_stopped(
    exchange: Exchange,
    sock: socket.socket,
    ready: Callable[[int], None],
    target: tuple[str, int] | None,
    doors: list[tuple[str, int]],
) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    unasked = [asyncio.create_task(work) for work in _unasked(exchange, target, doors)]
    await serve(exchange, sock, ready, stop)
    for task in unasked:
        task.cancel()
    await asyncio.gather(*unasked, return_exceptions=True)


def _tell(text: str) -> None:
    typer.echo(f"meterlab: {text}", err=True)


def _numbers(town: Town) -> str:
    feeders = f" and {town.feeder_meters} feeder" if town.feeder_meters else ""
    between = "," if feeders else " and"
    return f"{town.consumers} consumer{between} {town.transformer_meters} transformer{feeders}"


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _MOST_PORT:
        raise _Wrong(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def _unasked(
    exchange: Exchange, target: tuple[str, int] | None, doors: list[tuple[str, int]]
) -> list[Coroutine[Any, Any, None]]:
    """What meters do without being asked: push to ``target``, call the head-ends' ``doors``."""
    if target is None and not doors:
        return []
    lab, maker = exchange.lab, PushMaker(exchange.lab)
    works = [DialIn(exchange, maker, doors).run()] if doors else []
    if target is not None:
        way, plan, (host, port) = Way(maker, lab.push), PushPlan(lab), target
        works.append(PushSender(maker=maker, way=way, plan=plan, clock=exchange.clock, host=host, port=port).run())
    return works


def _write_files(lab: Lab, port: int, keys_out: Path | None, registry_out: Path | None) -> None:
    if registry_out is not None:
        registry.write(lab.town, registry_out, port)
        scene_list.write_defaulters(lab, registry_out)
    if keys_out is not None:
        registry.write_table(keys_out, "keys", registry.rows(lab.town, "keys", port))


@app.command(name="truth")
def truth_command(
    meter: Annotated[str, typer.Option(help="Number from 0, or serial number.")],
    kind: Annotated[str, typer.Option(help=f"{', '.join(truth.KINDS)} or nameplate.")] = "block-load",
    begin: Annotated[str | None, typer.Option("--from", help="First stamp, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last stamp, ISO 8601, taken in.")] = None,
    town: TownOption = "trial",
    meters: MetersOption = None,
    seed: SeedOption = 1,
    clock: ClockOption = None,
    start: StartOption = None,
    scene: SceneOption = None,
    model: ModelOption = None,
    models_dir: ModelsDirOption = None,
    physics: PhysicsOption = False,
    physics_days: PhysicsDaysOption = DEFAULT_PHYSICS_DAYS,
    flow_cache: FlowCacheOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines: the only form there is.")] = True,  # noqa: ARG001
) -> None:
    """Print what a meter holds, one JSON object a row, without asking it over the air.

    Give the same --town, --meters, --seed, --model, --scene and --physics as `serve`. Scenes that count days
    or hours from the start need its --start too; with --clock the rows are those up to the clock's time. What was
    done to the running meter since (relay, clock setting) is not known here.
    """
    try:
        now_s = _clock(clock, start, 1.0).now()
        start_s = now_s if start is None else _instant(start)
        flow = physics_of(flow_cache, now_s=start_s, days=physics_days) if physics else None
        streets = _town(town, seed, meters, model, models_dir)
        lab = _lab(streets, start_s, scene, flow_of=flow.flow_of if flow else None)
        number = _meter_number(lab.town, meter)
        begin_s = INSTALLED_S if begin is None else int(_instant(begin))
        end_s = int(now_s) + 1 if end is None else int(_instant(end))
        for line in truth.lines(lab, number, _kind(kind), begin_s, end_s, now_s):
            typer.echo(line)
    except (_Wrong, UnknownTown, WrongShare, UnknownScene, NoPhysics) as fault:
        raise _refuse(fault) from None


@app.command(name="flow")
def flow_command(
    day: Annotated[
        str | None, typer.Option("--day", help="Civil day, YYYY-MM-DD; default that of the start.")
    ] = None,
    feeder: Annotated[list[int] | None, typer.Option("--feeder", help="Number from 0; default all.")] = None,
    town: TownOption = "mohalla",
    meters: MetersOption = None,
    seed: SeedOption = 1,
    start: StartOption = None,
    scene: SceneOption = None,
    model: ModelOption = None,
    models_dir: ModelsDirOption = None,
    flow_cache: FlowCacheOption = None,
) -> None:
    """Print the power flow of a day, one JSON object a transformer and feeder; solve what is not solved yet.

    Energy in kWh, losses of lines against what was drawn, highest loading of a half hour, lowest pole voltage.
    """
    try:
        start_s = _clock(None, start, 1.0).now()
        number = day_of(start_s if day is None else _instant(f"{day}T12:00:00+05:30"))
        flow = physics_of(flow_cache, now_s=start_s, days=0)
        lab = _lab(_town(town, seed, meters, model, models_dir), start_s, scene)
        for line in report(lab, flow, number, _feeders(lab.town, feeder)):
            typer.echo(line)
    except (_Wrong, UnknownTown, WrongShare, UnknownScene, NoPhysics) as fault:
        raise _refuse(fault) from None


def _feeders(town: Town, wanted: list[int] | None) -> list[int]:
    known = range(len(town.feeders))
    for feeder in wanted or ():
        if feeder not in known:
            raise _Wrong(f"there is no feeder {feeder}; numbers run from 0 to {len(known) - 1}")
    return list(wanted or known)


def _kind(text: str) -> str:
    if text in truth.KINDS or text == truth.NAMEPLATE:
        return text
    raise _Wrong(f"{text!r} is no kind; known are {', '.join(truth.KINDS)} and {truth.NAMEPLATE}")


def _meter_number(town: Town, text: str) -> int:
    for number in range(len(town)):
        if text in (str(number), serial(town.seed, number)):
            return number
    raise _Wrong(f"there is no meter {text!r}; numbers run from 0 to {len(town) - 1}")


@app.command(name="registry")
def registry_command(
    directory: Annotated[Path, typer.Argument(help="Folder for the CSV files.")],
    town: TownOption = "trial",
    meters: MetersOption = None,
    seed: SeedOption = 1,
    port: PortOption = 4059,
    model: ModelOption = None,
    models_dir: ModelsDirOption = None,
    start: StartOption = None,
    scene: SceneOption = None,
) -> None:
    """Write the town as the CSV files that the control room imports, test keys included.

    Scenes matter that change the records: mapping-errors, and batch-cut, which adds defaulters.csv.
    """
    try:
        now_s = _clock(None, start, 1.0).now()
        lab = _lab(_town(town, seed, meters, model, models_dir), now_s, scene)
        _write_files(lab, port, None, directory)
    except (_Wrong, UnknownTown, WrongShare, UnknownScene) as fault:
        raise _refuse(fault) from None


@app.command(name="scenes")
def scenes_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List every scene with its parameters and their defaults. Meters are numbers from 0 or serial numbers."""
    for line in [scene_list.as_json()] if as_json else scene_list.lines():
        typer.echo(line)


def main() -> None:
    """Entry point. Logs go to the standard error stream; what was asked for goes to standard output."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    app()
