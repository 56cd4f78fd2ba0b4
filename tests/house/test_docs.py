"""Every setting and every command stands in docs/operating.md, and nothing there has gone."""

import re

import msgspec
import typer

from bijlighar.controlroom.cli import app
from bijlighar.controlroom.meter_command import meter_commands
from bijlighar.controlroom.roles import Role
from bijlighar.controlroom.settings import Settings, effective
from house.tree import ROOT

OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def section(title):
    return OPERATING.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(text):
    rows = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("` "): [cell.strip() for cell in row[1:]] for row in rows}


def commands(click_command, path):
    inner = getattr(click_command, "commands", None)
    if inner is None:
        return {path: click_command}
    found = {}
    for name, each in inner.items():
        found |= commands(each, f"{path} {name}")
    return found


def test_every_setting_is_told_with_its_default():
    told = table(section("Settings"))
    assert set(told) == {field.name for field in msgspec.structs.fields(Settings)}
    for field in msgspec.structs.fields(Settings):
        shown = told[field.name][0].replace("`", "")
        default = field.default
        if isinstance(default, tuple):
            assert shown == ", ".join(default)
        else:
            assert shown == (str(default).lower() if isinstance(default, bool) else str(default) or "empty")


def test_every_setting_can_be_seen():
    assert set(effective(Settings())) == set(table(section("Settings")))


def test_every_command_is_told_and_has_a_help():
    known = commands(typer.main.get_command(app), "bijlighar")
    assert set(table(section("Command line"))) == set(known)
    assert [path for path, command in known.items() if not command.help] == []


def test_every_option_of_the_demo_is_told():
    demo = commands(typer.main.get_command(app), "bijlighar")["bijlighar demo"]
    options = {option for parameter in demo.params for option in parameter.opts} - {"--help"}
    assert {option for option in options if f"`{option}`" not in OPERATING} == set()


def test_every_variable_that_a_command_reads_is_told():
    read = typer.main.get_command(meter_commands)
    variables = {
        parameter.envvar
        for command in commands(read, "meter").values()
        for parameter in command.params
        if parameter.envvar
    }
    assert variables
    assert {name for name in variables if f"`{name}`" not in OPERATING} == set()


def test_every_option_has_a_help():
    silent = [
        f"{path} {parameter.name}"
        for path, command in commands(typer.main.get_command(app), "bijlighar").items()
        for parameter in command.params
        if not parameter.help
    ]
    assert silent == []


def test_every_role_is_told():
    told = section("People and roles")
    assert {role.value for role in Role if not re.search(rf"\b{role.value}\b", told)} == set()
