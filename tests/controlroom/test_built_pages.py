from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bijlighar.controlroom.built_pages import load_pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name, content in {
        "index.html": b"<title>x</title>",
        "assets/app-Ab12Cd34.js": b"script",
        "assets/app-Ab12Cd34.js.gz": b"zipped",
        "assets/app-Ab12Cd34.js.br": b"brotli",
        "assets/font-x_Y-1234ab.woff2": b"font",
        "favicon.svg": b"<svg/>",
        ".hidden": b"x",
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_hashed_files_are_kept_for_ever_and_the_index_never(folder: Path) -> None:
    kept = {name: page.cache_control for name, page in load_pages(folder).items()}
    assert kept == {
        "index.html": "no-store",
        "assets/app-Ab12Cd34.js": "public, max-age=31536000, immutable",
        "assets/font-x_Y-1234ab.woff2": "public, max-age=31536000, immutable",
        "favicon.svg": "public, max-age=60",
    }


def test_media_types_are_those_that_a_browser_insists_on(folder: Path) -> None:
    kinds = {name: page.media_type for name, page in load_pages(folder).items()}
    assert kinds["assets/app-Ab12Cd34.js"] == "text/javascript"
    assert kinds["favicon.svg"] == "image/svg+xml"
    assert kinds["assets/font-x_Y-1234ab.woff2"] == "font/woff2"


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, br;q=1.0", (b"brotli", "br")),
        ("gzip", (b"zipped", "gzip")),
        ("", (b"script", None)),
        ("identity, *;q=0", (b"script", None)),
    ],
)
def test_a_compressed_file_goes_to_whoever_takes_it(
    folder: Path, accepted: str, sent: tuple[bytes, str | None]
) -> None:
    assert load_pages(folder)["assets/app-Ab12Cd34.js"].best(accepted) == sent


def test_a_file_that_was_not_built_compressed_is_compressed_once(tmp_path: Path) -> None:
    script, font = b"let x = 1;" * 1000, bytes(5000)
    (tmp_path / "app-Ab12Cd34.js").write_bytes(script)
    (tmp_path / "font-Ab12Cd34.woff2").write_bytes(font)
    (tmp_path / "small-Ab12Cd34.js").write_bytes(b"x")
    pages = load_pages(tmp_path)
    content, encoding = pages["app-Ab12Cd34.js"].best("gzip")
    assert encoding == "gzip"
    assert len(content) < len(script)
    assert gzip.decompress(content) == script
    assert pages["font-Ab12Cd34.woff2"].best("gzip") == (font, None)
    assert pages["small-Ab12Cd34.js"].best("gzip") == (b"x", None)


def test_pages_that_were_not_built_are_none(tmp_path: Path) -> None:
    assert load_pages(tmp_path / "pages") == {}
