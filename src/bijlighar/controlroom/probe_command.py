"""``bijlighar meter probe``: what a meter of an unknown make is like, drafted as a meter model.

The draft goes to standard output or into a file, progress to standard error. Secrets come as for ``meter read``;
none of them is printed.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from bijlighar.controlroom.meter_command import meter_commands
from bijlighar.controlroom.meter_options import (
    AddressOctets,
    AuthenticationKey,
    CannotRead,
    EncryptionKey,
    FirstCounter,
    Framing,
    KeySheet,
    MeterFraming,
    ModelsDir,
    PhysicalAddress,
    Place,
    ReaderSecret,
    SettingSecret,
    add_models,
    given_keys,
    line_of,
    parse_place,
    refuse,
    tell,
)

__all__ = ["meter_commands"]
"""With ``probe`` among them."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@meter_commands.command(name="probe")
def probe(
    place: Place,
    serial: Annotated[str | None, typer.Option(help="Whose row of the sheet of keys to take.")] = None,
    keys: KeySheet = None,
    reader_secret: ReaderSecret = "",
    setting_secret: SettingSecret = "",
    encryption_key: EncryptionKey = "",
    authentication_key: AuthenticationKey = "",
    counter: FirstCounter = 1,
    name: Annotated[str | None, typer.Option(help="Name of the model; made from maker and category.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the draft here; an old file stays.", metavar="FILE")
    ] = None,
    framing: MeterFraming = Framing.WRAPPER,
    address_octets: AddressOctets = 1,
    physical_address: PhysicalAddress = None,
    models_dir: ModelsDir = None,
) -> None:
    """Find out what a meter is like, by reading alone, and draft its model (TOML)."""
    try:
        host, port = parse_place(place)
        add_models(models_dir)
        _check(name, out)
        meter_keys = given_keys(
            keys,
            serial,
            reader_secret=reader_secret,
            setting_secret=setting_secret,
            encryption_key=encryption_key,
            authentication_key=authentication_key,
        )
        line = line_of(framing, address_octets, physical_address)
    except CannotRead as problem:
        refuse(problem)
    from bijlighar.headend import probe as probing  # noqa: PLC0415 (help stays quick)
    from bijlighar.headend.probe.draft import draft_of  # noqa: PLC0415

    dial = probing.over_tcp(host, port, time.time, hdlc=line)
    try:
        findings = asyncio.run(probing.probe(dial, meter_keys, now=time.time, tell=tell, first_counter=counter))
    except probing.NothingToRead as nothing:
        tell(f"bijlighar: {nothing}")
        raise typer.Exit(1) from None
    _write(draft_of(findings, name), out)


def _check(name: str | None, out: Path | None) -> None:
    if name is not None and not _NAME.fullmatch(name):
        raise CannotRead("--name has lower-case letters, digits and hyphens")
    if out is not None and out.exists():
        raise CannotRead(f"{out} is there already")


def _write(text: str, out: Path | None) -> None:
    if out is not None:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as problem:
            print(text, end="")  # noqa: T201 (a probe takes a while: its draft is not lost)
            refuse(f"the draft cannot be written: {problem}")
        tell(f"the draft is in {out}")
        return
    print(text, end="")  # noqa: T201 (what was asked for)
