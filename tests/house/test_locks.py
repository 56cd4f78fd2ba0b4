"""Locks carry hashes and no address, and all of them agree on every version."""

import json
import re

import pytest

from house.tree import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)(?:\[[\w,-]+\])?==(\S+)", re.MULTILINE)
WEB_LOCK = ROOT / "web" / "package-lock.json"


def pins(lock):
    return dict(PIN.findall(lock.read_text(encoding="utf-8")))


def test_every_wish_list_has_its_lock():
    wishes = {file.stem for file in (ROOT / "requirements").glob("*.in")}
    assert wishes == {lock.stem for lock in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_with_hashes_and_names_no_address(lock):
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^--(extra-)?(index|find)", text, re.MULTILINE)
    requirements = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(requirements) == len(pins(lock))
    assert [part.splitlines()[0] for part in requirements if "--hash=sha256:" not in part] == []


@pytest.mark.parametrize("name", ["product", "build", "postgresql", "fuzz", "spark"])
def test_the_locks_of_one_environment_agree(name):
    everything = pins(ROOT / "requirements" / "develop.txt")
    other = pins(ROOT / "requirements" / f"{name}.txt")
    assert {package: pin for package, pin in other.items() if everything.get(package, pin) != pin} == {}
    if name not in ("postgresql", "fuzz", "spark"):
        assert set(other) <= set(everything)


def test_the_lock_holds_what_the_package_declares():
    product = pins(ROOT / "requirements" / "product.txt")
    wished = (ROOT / "requirements" / "product.in").read_text(encoding="utf-8").split()
    assert set(wished) <= set(product)


def test_the_pages_lock_carries_hashes_and_no_address():
    packages = json.loads(WEB_LOCK.read_text(encoding="utf-8"))["packages"]
    fetched = {name: entry for name, entry in packages.items() if name and not entry.get("link")}
    assert [name for name, entry in fetched.items() if "resolved" in entry] == []
    assert [
        name for name, entry in fetched.items() if "integrity" not in entry and not entry.get("inBundle")
    ] == []
    wished = {
        f"node_modules/{name}" for entry in fetched.values() for name in entry.get("optionalDependencies", {})
    }
    assert wished <= set(fetched)  # npm ci refuses a lock that lacks another platform's package
    npmrc = (ROOT / "web" / ".npmrc").read_text(encoding="utf-8")
    assert "omit-lockfile-registry-resolved=true" in npmrc
    assert "registry=" not in npmrc
