"""``bijlighar meter probe``: what a meter of an unknown make is like, drafted as a meter model.

The draft goes to standard output or into a file, progress to standard error. Secrets come as for ``meter read``;
none of them is printed.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bijlighar.controlroom.children import EXIT_USER_FAULT
from bijlighar.controlroom.meter_command import (
    CannotRead,
    keys_of,
    meter_commands,
    parse_place,
    secrets_of_sheet,
)

__all__ = ["meter_commands"]
"""With ``probe`` among them."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_MOST_COUNTER = (1 << 32) - 10_000


def _secret(name: str, what: str) -> Any:  # noqa: ANN401 (typer's own type of an option)
    return typer.Option(envvar=f"BIJLIGHAR_METER_{name}", show_envvar=True, help=what, metavar="SECRET")


ReaderSecret = Annotated[str, _secret("READER_SECRET", "Low-level secret of the meter reader, as text.")]
SettingSecret = Annotated[str, _secret("SETTING_SECRET", "High-level secret, 32 hexadecimal digits.")]
EncryptionKey = Annotated[str, _secret("ENCRYPTION_KEY", "Global encryption key, 32 hexadecimal digits.")]
AuthenticationKey = Annotated[str, _secret("AUTHENTICATION_KEY", "Authentication key, 32 hexadecimal digits.")]


@meter_commands.command(name="probe")
def probe(
    place: Annotated[
        str, typer.Argument(help="Where the meter answers; the port is 4059 unless named.", metavar="HOST[:PORT]")
    ],
    serial: Annotated[str | None, typer.Option(help="Whose row of the sheet of keys to take.")] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Sheet of keys (CSV as in the registry's keys.csv).", metavar="FILE")
    ] = None,
    reader_secret: ReaderSecret = "",
    setting_secret: SettingSecret = "",
    encryption_key: EncryptionKey = "",
    authentication_key: AuthenticationKey = "",
    counter: Annotated[
        int,
        typer.Option(
            min=1, max=_MOST_COUNTER, help="First invocation counter for a meter that does not tell its own."
        ),
    ] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the model; made from maker and category.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the draft here; an old file stays.", metavar="FILE")
    ] = None,
) -> None:
    """Find out what a meter is like, by reading alone, and draft its model (TOML)."""
    named = {
        "reader_secret": reader_secret,
        "setting_secret": setting_secret,
        "encryption_key": encryption_key,
        "authentication_key": authentication_key,
    }
    try:
        host, port = parse_place(place)
        _check(name, out)
        given = secrets_of_sheet(keys, serial) if keys is not None else {}
        meter_keys = keys_of({**given, **{key: value for key, value in named.items() if value}})
    except CannotRead as problem:
        _tell(f"bijlighar: {problem}")
        raise typer.Exit(EXIT_USER_FAULT) from None
    from bijlighar.headend import probe as probing  # noqa: PLC0415 (help stays quick)
    from bijlighar.headend.probe.draft import draft_of  # noqa: PLC0415

    dial = probing.over_tcp(host, port, time.time)
    try:
        findings = asyncio.run(probing.probe(dial, meter_keys, now=time.time, tell=_tell, first_counter=counter))
    except probing.NothingToRead as nothing:
        _tell(f"bijlighar: {nothing}")
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
            _tell(f"bijlighar: the draft cannot be written: {problem}")
            print(text, end="")  # noqa: T201 (a probe takes a while: its draft is not lost)
            raise typer.Exit(EXIT_USER_FAULT) from None
        _tell(f"the draft is in {out}")
        return
    print(text, end="")  # noqa: T201 (what was asked for)


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 (the command line's own voice)
