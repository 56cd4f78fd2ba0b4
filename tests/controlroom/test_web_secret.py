from __future__ import annotations

from pathlib import Path

from bijlighar.controlroom.web_secret import FILE, web_secret


def test_the_secret_is_drawn_once_and_private(tmp_path: Path) -> None:
    first = web_secret(tmp_path)
    assert len(first) == 64
    assert web_secret(tmp_path) == first
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_secret_that_was_cut_short_is_drawn_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("abc", encoding="ascii")
    drawn = web_secret(tmp_path)
    assert len(drawn) == 64
    assert web_secret(tmp_path) == drawn
