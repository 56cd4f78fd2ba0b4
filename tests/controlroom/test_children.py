from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bijlighar.controlroom import children as children_module
from bijlighar.controlroom.children import EXIT_USER_FAULT, Child, GaveUp

_SLEEPER = "import time\nprint('here', flush=True)\nwhile True: time.sleep(1)"
_STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _SLEEPER


def _child(tmp_path: Path, code: str) -> Child:
    return Child(name="child", arguments=["-c", code], log=tmp_path / "logs" / "child.log")


def _until(true: object, within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end_s, "waited too long"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_runs_writes_its_log_and_ends(tmp_path: Path) -> None:
    child = _child(tmp_path, _SLEEPER)
    child.start()
    _until(lambda: child.last_line() == "here")
    assert child.runs
    assert child.watch() is None
    child.end()
    assert not child.runs


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = _child(tmp_path, _STUBBORN)
    child.start()
    _until(lambda: child.last_line() == "here")
    pid = child.pid
    assert pid is not None
    child.end(within_s=0.2)
    assert not _alive(pid)


def test_a_child_that_dies_is_told_and_started_again_later_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_s = 1000.0
    monkeypatch.setattr(children_module.time, "monotonic", lambda: wall_s)
    child = _child(tmp_path, "raise SystemExit(7)")
    child.start()
    waits = []
    for _ in range(7):
        assert child._process is not None
        child._process.wait(60)
        said = child.watch()
        assert said is not None
        assert "exit 7" in said
        assert child._start_at_s is not None
        waits.append(child._start_at_s - wall_s)
        assert child.watch() is None
        assert not child.runs
        wall_s = child._start_at_s
        assert child.watch() is None  # started again
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert child.restarts == 7
    child.end()


def test_a_child_that_ran_long_is_started_again_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall_s = 1000.0
    monkeypatch.setattr(children_module.time, "monotonic", lambda: wall_s)
    child = _child(tmp_path, "pass")
    child.start()
    child._back_off_s = 30.0
    assert child._process is not None
    child._process.wait(60)
    wall_s += 61
    child.watch()
    assert child._start_at_s == wall_s + 1
    child.end()


def test_a_large_log_is_set_aside_while_its_process_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children_module, "LARGEST_LOG_OCTETS", 1000)
    more = tmp_path / "more"
    code = f"""
import pathlib, time
print(('x' * 99 + chr(10)) * 11, end='', flush=True)
while not pathlib.Path({str(more)!r}).exists(): time.sleep(0.01)
print('x' * 99, flush=True)
time.sleep(600)
"""
    child = _child(tmp_path, code)
    child.start()
    _until(lambda: child.log.exists() and child.log.stat().st_size > 1000)
    child.watch()
    older = child.log.with_suffix(".log.1")
    assert older.stat().st_size > 1000
    assert child.log.stat().st_size < 1000
    more.touch()
    _until(lambda: child.last_line() == "x" * 99)
    assert child.log.read_bytes().count(b"\0") == 0
    child.end()


def test_a_fault_of_the_user_is_not_tried_again(tmp_path: Path) -> None:
    child = _child(tmp_path, f"print('the key file is missing'); raise SystemExit({EXIT_USER_FAULT})")
    child.start()
    assert child._process is not None
    child._process.wait(60)
    with pytest.raises(GaveUp, match="the key file is missing"):
        child.watch()


def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "grandchild.log"
    parent = f"""
import time
from pathlib import Path
from bijlighar.controlroom.children import Child
child = Child(name="c", arguments=["-c", {_SLEEPER!r}], log=Path({str(log)!r}))
child.start()
while child.last_line() != "here": time.sleep(0.02)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert _alive(pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    _until(lambda: not _alive(pid))
