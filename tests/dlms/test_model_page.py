"""docs/meter-models.md says what the code and the files know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bijlighar.dlms.model import ModelRefused, Quirk, Stamp, parse_model
from bijlighar.dlms.models import load_model, model_names, model_text
from bijlighar.dlms.toml_table import TomlTable

PAGE = (Path(__file__).parents[2] / "docs" / "meter-models.md").read_text(encoding="utf-8")
NAMED = {
    **dict.fromkeys(("associations", "quantities", "profiles", "objects", "pushes"), "NAME"),
    "event_codes": "CODE",
    "esw_bits": "BIT",
}
"""Tables whose keys are names of the model's own, and what the page calls these."""


def table(title: str) -> dict[str, list[str]]:
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {row[0]: [cell.strip() for cell in row[1:]] for row in rows}


def test_the_worked_example_is_a_model() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    model = parse_model(example, base=model_text)
    assert (model.newest_first, model.stamp, model.quirks) == (True, Stamp.BEGIN, {Quirk.NULL_CLOCKS})
    probed = load_model("d1-11-columns")
    assert model.profiles["block-load"] == probed.profiles["block-load"]
    assert model.profiles["daily"] == load_model("is15959-d1").profiles["daily"]


def general(dotted: str) -> str:
    parts = dotted.split(".")
    if parts[0] in NAMED and len(parts) > 1:
        parts[1] = NAMED[parts[0]]
    if parts[2:3] == ["access"] and len(parts) > 3:
        parts[3] = "NAME"
    return ".".join(parts)


def keys_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every key that the parser looks for in the shipped models, tables that hold keys left out."""
    asked: set[str] = set()
    has, take = TomlTable.has, TomlTable._take

    def noted_has(self: TomlTable, key: str) -> bool:
        asked.add(general(self.at(key)))
        return has(self, key)

    def noted_take(self: TomlTable, key: str, *rest: object) -> object:
        asked.add(general(self.at(key)))
        return take(self, key, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TomlTable, "has", noted_has)
    monkeypatch.setattr(TomlTable, "_take", noted_take)
    for name in model_names():
        parse_model(model_text(name), base=model_text)
    return asked - {key.rsplit(".", 1)[0] for key in asked if "." in key}


def test_the_table_of_keys_is_the_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {re.sub(r"`| \*$", "", key) for key in table("The keys")}
    assert told == keys_of_the_parser(monkeypatch)


REQUIRED = [re.sub(r"`| \*$", "", key) for key in table("The keys") if key.endswith("*")]
EXAMPLES = {
    "associations.NAME": 'client_address = 1\nmechanism = "none"\nciphering = "none"\nprotection = "none"',
    "quantities.NAME": 'class_id = 3\nobis = "1.0.1.8.0.255"\ntype = "u32"',
    "profiles.NAME": 'obis = "1.0.99.9.0.255"\ndepth = 1\ncapture = ["clock"]',
    "pushes.NAME": 'obis = "0.9.25.9.0.255"',
    "objects.NAME": 'class_id = 1\nobis = "0.0.1.2.3.255"',
    "event_codes.CODE": 'key = "k"\nlog = "other"\nkind = "occurrence"\nseverity = "normal"\nen = "e"\nhi = "h"',
    "esw_bits.BIT": 'key = "k"\nen = "e"\nhi = "h"',
}
"""A new entry of each table with nothing that may be left out."""


@pytest.mark.parametrize("path", EXAMPLES)
def test_what_is_not_marked_may_be_left_out_and_what_is_marked_may_not(path: str) -> None:
    head, kind = path.split(".")
    name = {"CODE": "999", "BIT": "127", "NAME": "new"}[kind]
    whole = EXAMPLES[path].split("\n")

    def parsed(lines: list[str]) -> None:
        text = f'extends = ["is15959-d1"]\nname = "x"\n[{head}.{name}]\n' + "\n".join(lines)
        parse_model(text, base=model_text)

    parsed(whole)
    assert {line.split(" ")[0] for line in whole} == {
        key.removeprefix(f"{path}.") for key in REQUIRED if key.startswith(f"{path}.")
    }
    for line in whole:
        with pytest.raises(ModelRefused, match="is missing"):
            parsed([other_line for other_line in whole if other_line != line])


def row_of(name: str) -> list[str]:
    model = load_model(name)
    block, setting = model.profiles["block-load"], model.associations["setting"]
    energy = next(quantity for quantity in block.columns if quantity.name == "block-import")
    assert energy.scaler is not None
    assert block.period_s is not None
    return [
        model.category,
        str(len(block.columns)),
        f"{block.period_s // 60} min",
        model.stamp.value,
        "newest" if model.newest_first else "oldest",
        model.deviation_sign.name.lower().replace("_", "-"),
        f"{energy.type}, {energy.scaler.exponent:+d}",
        str(int(setting.mechanism)),
        setting.ciphering.value,
        ", ".join(f"`{quirk.value}`" for quirk in sorted(model.quirks)) or "none",
    ]


def test_the_table_of_models_is_that_of_the_files() -> None:
    assert table("The shipped models") == {f"`{name}`": row_of(name) for name in model_names()}


def test_every_quirk_is_told() -> None:
    assert set(table("Quirks")) == {f"`{quirk.value}`" for quirk in Quirk}
