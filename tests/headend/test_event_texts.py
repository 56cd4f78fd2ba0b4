"""Event numbers have names in both languages, out of the meter's model."""

from __future__ import annotations

import pytest

from bijlighar.headend.event_texts import event_texts, status_texts


def test_a_magnet_is_named_in_both_languages_and_is_critical() -> None:
    magnet = event_texts("is15959-d1")[201]
    assert (magnet.name_en, magnet.severity) == ("Magnetic influence", "critical")
    assert any("ऀ" <= letter <= "ॿ" for letter in magnet.name_hi)


@pytest.mark.parametrize("model", ["", "no-such-model", "../../etc/passwd"])
def test_an_unknown_model_has_no_names(model: str) -> None:
    assert event_texts(model) == {}


def test_a_status_word_names_its_events_and_the_bits_that_are_no_events() -> None:
    texts = status_texts("is15959-d1")
    assert texts[201] == event_texts("is15959-d1")[201]
    assert texts[85].name_en.startswith("Last gasp")
    assert texts[84].name_en != event_texts("is15959-d1")[84].name_en
    assert status_texts("no-such-model") == {}
