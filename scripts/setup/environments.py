"""Virtual environments and what is installed in them: exactly the locked packages, checked by their hashes."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.setup import stamps
from scripts.setup.progress import ROOT, CannotGoOn, run

MINIMUM_PYTHON = (3, 11)
"""``requires-python`` of pyproject.toml."""

PRODUCT = ROOT / ".venv"
PEERS = ROOT / ".interop"
"""External DLMS peers live in an environment of their own: the product never shares a process with them."""

REQUIREMENTS = ROOT / "requirements"

_PIP_SETTINGS = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}

_PACKAGE = re.compile(r"^[a-zA-Z0-9]", re.MULTILINE)


def install_product() -> None:
    """What `bijlighar demo` needs, and what builds its pages."""
    _ensure(PRODUCT)
    if not _holds("develop", ["develop.txt"]) and not _holds("product", ["product.txt", "build.txt"]):
        _install(PRODUCT, "product", ["product.txt", "build.txt"])
    _install_ourselves()


def warm_up() -> None:
    """Load everything once, so that the first start does not compile what it loads."""
    wanted = _wanted(["product.txt"])
    if not stamps.is_current("warm", wanted):
        run([PRODUCT / "bin" / "bijlighar", "warm"], label="bijlighar, loaded once")
        stamps.write("warm", wanted)


def install_develop() -> None:
    """What the tests and the checks need, the product's packages included."""
    _ensure(PRODUCT)
    if not _holds("develop", ["develop.txt"]):
        _install(PRODUCT, "develop", ["develop.txt"])
    _install_ourselves()


def install_postgresql() -> None:
    """The PostgreSQL driver, an optional extra of the product."""
    if not _holds("postgresql", ["postgresql.txt"]):
        _install(PRODUCT, "postgresql", ["postgresql.txt"])


def install_fuzzer() -> None:
    """The fuzzer, beside what it fuzzes."""
    if not _holds("fuzz", ["fuzz.txt"]):
        _install(PRODUCT, "fuzz", ["fuzz.txt"])


def install_spark() -> None:
    """Spark with its own servers, an optional extra of the product: 430 MB, built from its source archive."""
    if not _holds("spark", ["spark.txt"]):
        _install(PRODUCT, "spark", ["spark.txt"])


def install_peers() -> None:
    """The environment in which external DLMS peers run."""
    _ensure(PEERS)
    if not _holds("interop", ["interop.txt"]):
        _install(PEERS, "interop", ["interop.txt"])


def _ensure(environment: Path) -> None:
    """Make the virtual environment, or make it anew when its interpreter is gone or another version."""
    if sys.version_info < MINIMUM_PYTHON:
        wanted = ".".join(map(str, MINIMUM_PYTHON))
        raise CannotGoOn(f"Python {wanted} or newer is needed; this is {sys.version.split()[0]}.")
    if _interpreter_version(environment) == sys.version_info[:2]:
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise CannotGoOn("Python's venv module is missing. On Debian: apt-get install python3-venv")
    if environment.exists():
        shutil.rmtree(environment)
    ours = ["product", "develop", "editable", "postgresql", "fuzz", "spark", "warm"]
    stamps.forget(*(["interop"] if environment == PEERS else ours))
    run([sys.executable, "-m", "venv", environment], label=f"environment {environment.name}")


def _interpreter_version(environment: Path) -> tuple[int, ...] | None:
    python = environment / "bin" / "python"
    if not python.exists():
        return None
    answer = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return tuple(int(part) for part in answer.stdout.split()) or None


def _holds(stamp: str, locks: list[str]) -> bool:
    return stamps.is_current(stamp, _wanted(locks))


def _wanted(locks: list[str]) -> str:
    return stamps.content_hash([REQUIREMENTS / lock for lock in locks], sys.version.split()[0])


def _pip(environment: Path) -> list[str | Path]:
    return [environment / "bin" / "python", "-m", "pip", "install"]


def _install(environment: Path, stamp: str, locks: list[str]) -> None:
    total = sum(len(_PACKAGE.findall((REQUIREMENTS / lock).read_text())) for lock in locks)
    named = [part for lock in locks for part in ("-r", REQUIREMENTS / lock)]
    done = 0

    def state_of(line: str) -> str | None:
        nonlocal done
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            done += 1
            return f"{min(done, total)} of {total}"
        return "installing" if line.startswith("Installing collected") else None

    run(
        [*_pip(environment), "--require-hashes", "--no-deps", *named],
        label=f"{total} packages of requirements/{' and '.join(locks)}",
        state_of=state_of,
        environment=_PIP_SETTINGS,
    )
    stamps.write(stamp, _wanted(locks))


def _install_ourselves() -> None:
    """Our own package, editable: the environment runs what stands in src."""
    wanted = stamps.content_hash([ROOT / "pyproject.toml", ROOT / "src" / "bijlighar" / "__init__.py"])
    if stamps.is_current("editable", wanted):
        return
    run(
        [*_pip(PRODUCT), "--no-deps", "--no-build-isolation", "--no-index", "--editable", ROOT],
        label="bijlighar itself",
        environment=_PIP_SETTINGS,
    )
    stamps.write("editable", wanted)
