"""The command line ``bijlighar``: the demo, the product, one meter, the registry, people, settings, benchmarks.

A fault of the user is one sentence on standard error and exit status 2, never a traceback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bijlighar.cim.exchange import Unavailable
from bijlighar.controlroom import passwords
from bijlighar.controlroom.backup_command import backup, restore
from bijlighar.controlroom.command_line import ConfigOption, DataOption, VersionOption, fail, settings_of
from bijlighar.controlroom.conform_command import meter_commands
from bijlighar.controlroom.dated_command import limits_commands
from bijlighar.controlroom.day_command import day_commands
from bijlighar.controlroom.move_command import move
from bijlighar.controlroom.report_command import report_commands
from bijlighar.controlroom.roles import Role, known_roles
from bijlighar.controlroom.settings import Settings, SettingsRefused, effective
from bijlighar.controlroom.sql_command import sql

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
registry_commands = typer.Typer(
    help="The registry: usage points, meters, transformers, feeders.", no_args_is_help=True
)
people_commands = typer.Typer(help="The people who may sign in.", no_args_is_help=True)
app.add_typer(meter_commands, name="meter")
app.add_typer(limits_commands, name="limits")
app.add_typer(registry_commands, name="registry")
app.add_typer(people_commands, name="people")
app.add_typer(report_commands, name="report")
app.add_typer(day_commands, name="day")


@app.callback()
def _common(version: VersionOption = False) -> None:
    """bijlighar: the open metering system of an electricity utility."""


@contextmanager
def _records(settings: Settings) -> Iterator[Any]:
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415 (help stays quick)
    from bijlighar.records.move import RecordsMoved  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    if not settings.database_url and not (settings.data_path / "records.db").exists():
        fail(f"there are no records in {settings.data_path}; name another place with --data or --config")
    try:
        with open_records(settings, clock_of(settings)) as records:
            yield records
    except (Unavailable, SchemaTooNew, RecordsMoved, OSError) as fault:
        fail(str(fault))


@app.command()
def demo(
    town: Annotated[
        str, typer.Option(help="trial: 11 homes of one house. mohalla: about 2,000 meters. city: 300,000.")
    ] = "trial",
    scene: Annotated[
        list[str] | None,
        typer.Option(help="A fault to show, NAME[:parameter=value]; `meterlab scenes` lists them."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Town seconds in one second of the wall; 1 is real time.")
    ] = 240.0,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the control room.")] = 8460,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the demo keeps its records, var/demo when left out; the next start finds them again.",
            metavar="DIR",
        ),
    ] = None,
    radio: Annotated[str, typer.Option(help="The meters' radio: lte, gprs or none.")] = "lte",
    meter_port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, help="Port of the virtual meters; 0 = 4059, or a free one when it is taken."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Everything about the town follows from it.")] = 2,
    push: Annotated[
        bool,
        typer.Option("--push/--no-push", help="Whether the meters also tell unasked: rows, alerts, last gasps."),
    ] = True,
    headends: Annotated[
        int, typer.Option(min=1, max=64, help="Head-end processes that share the meters; try to kill one.")
    ] = 1,
    meters: Annotated[
        int | None, typer.Option(min=1, help="How many homes the town has, instead of its own.")
    ] = None,
    physics: Annotated[
        bool, typer.Option("--physics", help="Voltage and losses by power flow; a first start solves 35 days.")
    ] = False,
) -> None:
    """A virtual town, a head-end that reads it, and the control room. Ctrl-C ends everything."""
    from bijlighar.controlroom import demo as demonstration  # noqa: PLC0415 (help stays quick)

    with _faults_told():
        chosen = demonstration.Demo(
            settings=demonstration.demo_settings(_demo_folder(data), port, town, headends),
            town=town,
            scenes=tuple(scene or ()),
            speed=speed,
            radio=radio,
            meter_port=meter_port,
            seed=seed,
            push=push,
            meters=meters,
            physics=physics,
        )
        demonstration.run_demo(chosen, Console())


def _demo_folder(named: Path | None) -> Path:
    """The folder named, else ``var/demo`` here, or the user's state folder where nothing can be written here."""
    if named is not None:
        return named.expanduser().absolute()
    if os.access(Path.cwd(), os.W_OK):
        return Path("var/demo").absolute()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "bijlighar" / "demo"


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="Settings file (TOML).", metavar="FILE")],
    port: Annotated[int | None, typer.Option(help="Port of the control room, instead of the file's.")] = None,
) -> None:
    """Read real meters and open the control room, as the settings say."""
    from bijlighar.controlroom.demo import run_product  # noqa: PLC0415 (help stays quick)

    settings = settings_of(config, port=port)
    with _faults_told():
        run_product(settings, Console())


@contextmanager
def _faults_told() -> Iterator[None]:
    from bijlighar.controlroom.children import GaveUp  # noqa: PLC0415
    from bijlighar.controlroom.ports import PortTaken  # noqa: PLC0415
    from bijlighar.controlroom.supervisor import AlreadyRunning, NotReady  # noqa: PLC0415
    from bijlighar.controlroom.town import TownRefused  # noqa: PLC0415
    from bijlighar.headend.keys import MasterKeyRefused  # noqa: PLC0415
    from bijlighar.records.move import RecordsMoved  # noqa: PLC0415
    from bijlighar.records.schema import SchemaTooNew  # noqa: PLC0415

    expected = (
        SettingsRefused,
        PortTaken,
        AlreadyRunning,
        TownRefused,
        GaveUp,
        NotReady,
        MasterKeyRefused,
        SchemaTooNew,
        RecordsMoved,
        Unavailable,
        OSError,
    )
    try:
        yield
    except expected as fault:
        fail(str(fault))


@app.command(name="settings")
def show_settings(config: ConfigOption = None, data: DataOption = None) -> None:
    """Print every setting with its effective value; secrets are not shown."""
    for name, value in effective(settings_of(config, data)).items():
        print(f"{name} = {_toml(value)}")  # noqa: T201


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@registry_commands.command(name="import")
def import_registry_command(
    directory: Annotated[Path, typer.Argument(help="Folder of CSV sheets, or one sheet.", metavar="DIR")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Check CSV sheets whole, then import them; with any error nothing is kept."""
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415 (help stays quick)
    from bijlighar.headend.keys import Keyring, MasterKeyRefused  # noqa: PLC0415
    from bijlighar.operations.registry_import import import_registry  # noqa: PLC0415

    settings = settings_of(config, data)
    if not directory.exists():
        fail(f"there is no {directory}")
    with _faults_told():
        try:
            keyring = Keyring.load(settings.master_key_path)
        except MasterKeyRefused as refusal:
            if (directory / "keys.csv").exists() or directory.name == "keys.csv":
                fail(f"the keys cannot be sealed: {refusal}")
            keyring = None
        with open_records(settings, clock_of(settings)) as records:
            report = import_registry(records, directory, keyring)
    if report.error_count:
        for fault in report.errors:
            place = (
                f"row {fault.row}" + (f", {fault.column}" if fault.column else "") if fault.row else fault.column
            )
            print(f"{fault.file}: {place}: {fault.detail}", file=sys.stderr)  # noqa: T201
        fail(f"nothing was imported: {report.error_count} errors")
    table = Table("sheet", "added", "changed", "unchanged")
    for name, counts in report.sheets.items():
        table.add_row(name, str(counts.added), str(counts.changed), str(counts.unchanged))
    Console().print(table)


@people_commands.command(name="add")
def add_person(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[
        list[str], typer.Option(help=f"One of: {', '.join(role.value for role in Role)}. Repeatable.")
    ],
    display_name: Annotated[str, typer.Option(help="Name shown to others.")] = "",
    language: Annotated[str, typer.Option(help="en or hi.")] = "en",
    password_file: Annotated[
        Path | None, typer.Option(help="File that holds the password; without it you are asked.", metavar="FILE")
    ] = None,
    usage_point: Annotated[
        list[str] | None,
        typer.Option(help="Usage point whose use a consumer may see. Repeatable.", metavar="CODE"),
    ] = None,
    since: Annotated[
        str, typer.Option(help="First day of it that may be seen; without it, all that is kept.", metavar="DAY")
    ] = "",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Add somebody who may sign in."""
    from bijlighar.controlroom.opening import clock_of, open_records  # noqa: PLC0415 (help stays quick)
    from bijlighar.records.consumers import NotTied  # noqa: PLC0415
    from bijlighar.records.people import Person  # noqa: PLC0415

    try:
        roles = known_roles(role)
    except ValueError as problem:
        fail(f"{problem}; known are {', '.join(each.value for each in Role)}")
    if language not in ("en", "hi"):
        fail("the language is en or hi")
    if usage_point and Role.CONSUMER not in roles:
        fail("--usage-point is for the role consumer")
    since_s = _first_instant(since)
    settings = settings_of(config, data)
    hashed = _hashed(password_file)
    with _faults_told(), open_records(settings, clock_of(settings)) as records:
        if records.people.find(name) is not None:
            fail(f"{name} is already known; change the password with `bijlighar people password {name}`")
        try:
            records.consumers.check(usage_point or [])
        except NotTied as problem:
            fail(str(problem))
        person = Person(
            name=name,
            display_name=display_name or name,
            password_hash=hashed,
            roles=tuple(each.value for each in roles),
            language=language,
        )
        records.people.put(person)
        _on_record(records, "added-person", name)
        if usage_point:
            records.consumers.set_points(name, usage_point, since_s=since_s, tied_by="command line")
            _on_record(records, "tied-usage-points", name)


@people_commands.command(name="password")
def set_password(
    name: Annotated[str, typer.Argument(help="Whose password.")],
    password_file: Annotated[Path | None, typer.Option(help="File that holds it.", metavar="FILE")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Set a password; the person's open sessions end."""
    with _records(settings_of(config, data)) as records:
        person = _known(records, name)
        records.people.put(replace(person, password_hash=_hashed(password_file)))
        _on_record(records, "set-password", name)


@people_commands.command(name="disable")
def disable_person(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Close an account; open sessions end at once, the record stays."""
    with _records(settings_of(config, data)) as records:
        records.people.put(replace(_known(records, name), disabled=True))
        _on_record(records, "disabled-person", name)


def _first_instant(since: str) -> int:
    from bijlighar.cim.period import civil_day  # noqa: PLC0415 (help stays quick)
    from bijlighar.controlroom.instants import NotAnInstant, parse_day  # noqa: PLC0415

    try:
        return civil_day(parse_day(since, now_s=time.time())).start_s if since else 0
    except NotAnInstant as problem:
        fail(str(problem))


def _known(records: Any, name: str) -> Any:  # noqa: ANN401 (records load only when a command needs them)
    person = records.people.find(name)
    if person is None:
        fail(f"nobody is called {name}")
    return person


def _on_record(records: Any, what: str, name: str) -> None:  # noqa: ANN401
    records.audit.append(who="command line", what=what, subject=f"person:{name}", detail={}, at_s=int(time.time()))


def _hashed(password_file: Path | None) -> str:
    if password_file is None:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        try:
            password = password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as problem:
            fail(f"the password file cannot be read: {problem}")
    try:
        return passwords.hashed(password)
    except passwords.PasswordRefused as refusal:
        fail(str(refusal))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="session, decode, …; without a name, all in one table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")] = False,
) -> None:
    """Measure, in a process of its own."""
    command = [sys.executable, "-m", "benches", *([name] if name else []), *(["--json"] if as_json else [])]
    try:
        ended = subprocess.run([*command, *context.args], check=False)  # noqa: S603 (our own module, no shell)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(ended.returncode)


app.command(name="move")(move)
app.command(name="sql")(sql)
app.command(name="backup")(backup)
app.command(name="restore")(restore)


@app.command()
def warm() -> None:
    """Load and compile everything once, so that the next start is quick."""
    import compileall  # noqa: PLC0415
    from importlib import resources  # noqa: PLC0415

    import bijlighar.controlroom.process  # noqa: F401, PLC0415 (loading it is the point)

    with resources.as_file(resources.files("bijlighar")) as folder:
        compileall.compile_dir(folder, quiet=2)


def main() -> None:
    """Entry point."""
    app()
