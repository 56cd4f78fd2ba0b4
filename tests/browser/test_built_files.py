"""The files of the build: compressed copies are the same files, and the first visit is small."""

from __future__ import annotations

import gzip
import re

import pytest

from browser.mock_api import MockControlRoom

pytestmark = pytest.mark.browser

FIRST_SCRIPT_OCTETS = 60_000
"""Compressed; the build holds itself to it as well."""


def test_compressed_copies_are_the_files_themselves(room: MockControlRoom) -> None:
    large = {
        name: file
        for name, file in room.pages.items()
        if name.endswith((".js", ".css")) and len(file.content) > 1_000
    }
    assert large
    for name, file in large.items():
        assert set(file.encodings) == {"br", "gzip"}, name
        assert gzip.decompress(file.encodings["gzip"]) == file.content, name


def test_the_first_visit_loads_little_script(room: MockControlRoom) -> None:
    scripts = re.findall(rb'<script[^>]*src="/([^"]+)"', room.pages["index.html"].content)
    assert len(scripts) == 2
    octets = sum(len(gzip.compress(room.pages[name.decode()].content)) for name in scripts)
    assert octets < FIRST_SCRIPT_OCTETS


def test_fonts_are_woff2_of_our_own(room: MockControlRoom) -> None:
    fonts = [name for name in room.pages if "noto-sans" in name]
    assert len(fonts) == 4
    assert all(name.endswith(".woff2") for name in fonts)
