"""Words are found wherever they stand, in both scripts, and nowhere else; held against the plain way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.controlroom.registry_index import fold
from bijlighar.controlroom.text_search import REMEMBERED, TextSearch

TEXTS = [fold(text) for text in ("GP10123\nRam Kumar\n1/2 Jajmau", "GP10124\nराम कुमार\nबिजलीघर परेड", "", "ab\nab")]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["gp1012"], [0, 1]),
        (["कुमार"], [1]),
        (["राम", "परेड"], [1]),
        (["ram", "jajmau", "1/2"], [0]),
        (["0123", "राम"], []),
        (["b"], [3]),
        (["nobody"], []),
        (["\x00"], []),
        ([], [0, 1, 2, 3]),
    ],
)
def test_a_row_is_found_by_every_word_it_holds(words: list[str], rows: list[int]) -> None:
    assert TextSearch(TEXTS).rows_with(words).nonzero()[0].tolist() == rows


def test_no_word_is_found_across_two_rows() -> None:
    assert not TextSearch(["ab", "cd"]).rows_with(["bc"]).any()


def test_no_rows_and_words_longer_than_all_texts() -> None:
    assert TextSearch([]).rows_with(["a"]).tolist() == []
    assert not TextSearch(["a"]).rows_with(["a" * 100]).any()


def test_the_same_question_has_the_same_answer_however_many_were_asked_between() -> None:
    search = TextSearch(TEXTS)
    before = search.rows_with(["ram"]).copy()
    for number in range(2 * REMEMBERED):
        search.rows_with([f"word{number}"])
    assert search.rows_with(["ram"]).tolist() == before.tolist()


@given(
    st.lists(st.text("abक ख\n", max_size=8), max_size=8),
    st.lists(st.text("abकख", min_size=1, max_size=3), min_size=1, max_size=3),
)
def test_it_finds_what_the_plain_way_finds(texts: list[str], words: list[str]) -> None:
    plain = [all(word in text for word in words) for text in texts]
    assert TextSearch(texts).rows_with(words).tolist() == plain
