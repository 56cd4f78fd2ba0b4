"""Event numbers have names in both languages, out of the meter's model."""

from __future__ import annotations

import pytest

from bijlighar.headend.event_texts import event_texts


def test_a_magnet_is_named_in_both_languages_and_is_critical() -> None:
    magnet = event_texts("is15959-d1")[201]
    assert (magnet.name_en, magnet.severity) == ("Magnetic influence", "critical")
    assert any("ऀ" <= letter <= "ॿ" for letter in magnet.name_hi)


@pytest.mark.parametrize("model", ["", "no-such-model", "../../etc/passwd"])
def test_an_unknown_model_has_no_names(model: str) -> None:
    assert event_texts(model) == {}
