"""The built pages, out of the package: an allow-list of files, read once, hashed names cached for ever.

Every path that is not the API's shows index.html, because the pages route themselves. A request names a key of
a dictionary, never a path of the file system, so there is nothing to traverse.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

FOLDER = "pages"
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
"""Vite writes name-HASH.ext with at least eight characters of hash."""
_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_KEPT = "no-store"
_A_MINUTE = "public, max-age=60"
FEWEST_COMPRESSED_OCTETS = 1_400
"""What fits into one packet is not made faster by being smaller."""
_COMPRESSIBLE = ("text/", "application/json", "application/manifest", "image/svg")
_COMPRESSED = (("br", ".br"), ("gzip", ".gz"))

NOT_BUILT = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>bijlighar</title>"
    b"<p>The control room is running, but its pages have not been built. Run <b>make setup</b> once, "
    b"then load this page again.</p></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One file as it is served. ``encodings``: octets by content encoding, when built compressed."""

    content: bytes
    media_type: str
    cache_control: str
    encodings: dict[str, bytes]

    def best(self, accepted: str) -> tuple[bytes, str | None]:
        """``(octets, content encoding or None)`` for an Accept-Encoding header."""
        offered = {part.partition(";")[0].strip() for part in accepted.split(",")}
        for name, _ in _COMPRESSED:
            if name in offered and name in self.encodings:
                return self.encodings[name], name
        return self.content, None


def load_pages(folder: Traversable | None = None) -> dict[str, PageFile]:
    """Files by path relative to the folder, "/" between; empty when the pages were not built."""
    root = folder if folder is not None else resources.files("bijlighar.controlroom") / FOLDER
    if not root.is_dir():
        return {}
    found = dict(_files(root, ""))
    suffixes = tuple(suffix for _, suffix in _COMPRESSED)
    return {
        name: PageFile(
            content=content,
            media_type=_media_type(name),
            cache_control=_cache_control(name),
            encodings=_encodings(name, found),
        )
        for name, content in found.items()
        if not name.endswith(suffixes)
    }


def _encodings(name: str, found: Mapping[str, bytes]) -> dict[str, bytes]:
    """The file compressed: as it was built, else with gzip when that saves something worth sending."""
    built = {code: found[name + suffix] for code, suffix in _COMPRESSED if name + suffix in found}
    content = found[name]
    if built or len(content) < FEWEST_COMPRESSED_OCTETS or not _media_type(name).startswith(_COMPRESSIBLE):
        return built
    return {"gzip": gzip.compress(content, mtime=0)}


def _files(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            found += _files(each, f"{prefix}{each.name}/")
        elif not each.name.startswith("."):
            found.append((prefix + each.name, each.read_bytes()))
    return found


def _media_type(name: str) -> str:
    if name.endswith((".js", ".mjs")):
        return "text/javascript"
    if name.endswith(".webmanifest"):
        return "application/manifest+json"
    kind, _ = mimetypes.guess_type(name)
    return kind or "application/octet-stream"


def _cache_control(name: str) -> str:
    if name.endswith(".html"):
        return _NOT_KEPT
    return _FOR_EVER if _HASHED.search(name.rpartition("/")[2]) else _A_MINUTE
