"""docs/meter-models.md says what the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bijlighar.dlms.model import Quirk, parse_model
from bijlighar.dlms.models import load_model, model_names, model_text

PAGE = (Path(__file__).parents[2] / "docs" / "meter-models.md").read_text(encoding="utf-8")


def test_the_worked_example_is_a_model() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    model = parse_model(example, base=model_text)
    assert model.newest_first
    assert model.quirks == {Quirk.NULL_CLOCKS}
    assert model.profiles["block-load"].columns[-1].name == "signal"
    assert model.profiles["daily"] == load_model("is15959-d1").profiles["daily"]


@pytest.mark.parametrize("name", [*model_names(), *(quirk.value for quirk in Quirk)])
def test_every_model_and_quirk_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE
