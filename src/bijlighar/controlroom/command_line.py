"""What the commands share: the options that name settings and data, and the one sentence of a user's fault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bijlighar import __version__
from bijlighar.controlroom.children import EXIT_USER_FAULT
from bijlighar.controlroom.settings import Settings, SettingsRefused, load_settings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (TOML); see docs/operating.md.", metavar="FILE"),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Data directory.", metavar="DIR")]


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"bijlighar {__version__}")  # noqa: T201
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and end.")
]


def fail(sentence: str) -> NoReturn:
    """End with one sentence and the status of a user's fault."""
    print(f"bijlighar: {sentence}", file=sys.stderr)  # noqa: T201 (the command line's own voice)
    raise typer.Exit(EXIT_USER_FAULT)


def settings_of(config: Path | None, data: Path | None = None, **flags: Any) -> Settings:  # noqa: ANN401
    """The effective settings; ends the command when they are refused."""
    try:
        return load_settings(config, flags={"data_dir": None if data is None else str(data), **flags})
    except SettingsRefused as refusal:
        fail(str(refusal))
