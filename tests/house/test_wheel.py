"""A wheel built from the tree works where there is neither the checkout nor Node."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from bijlighar.controlroom.ports import free_port
from scripts.wheel import PAGES, WheelWithoutPages, build_wheel, check

START_S, END_S = 120.0, 60.0
"""A first start makes a town and its records; both are many times what a machine with two cores needs."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment that holds the wheel alone, and borrows the packages it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    home = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", home, "install", "--no-deps", "--no-index", "-q", wheel],
        check=True,
        env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": ""},
    )
    [site_packages] = home.glob("lib/python*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def answer(environment: Path, *command: str) -> str:
    done = subprocess.run(
        [environment / "bin" / command[0], *command[1:]],
        cwd=environment,
        env={"PATH": "", "HOME": str(environment), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_packages_come_from_the_wheel(environment):
    program = "import bijlighar, meterlab, benches; print(bijlighar.__file__, meterlab.__file__, benches.__file__)"
    for file in answer(environment, "python", "-c", program).split():
        assert Path(file).is_relative_to(environment)


def test_the_pages_and_the_meter_models_are_inside(environment):
    [site_packages] = environment.glob("lib/python*/site-packages")
    assert (site_packages / PAGES).is_file()
    assert list((site_packages / "bijlighar" / "dlms").rglob("*.toml"))


@pytest.mark.parametrize("command", ["bijlighar", "meterlab"])
def test_the_commands_answer(environment, command):
    assert "Usage" in answer(environment, command, "--help")


def page(port: int) -> str:
    """The control room's page as soon as it is served."""
    give_up_s = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/", timeout=5) as answered:
                return answered.read().decode()
        except OSError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.2)


def _is_there(group):
    """Whether a process of the group is left; one that has ended may wait a moment to be reaped."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_demo_runs_without_node_and_ends_with_all_its_processes(environment, tmp_path):
    port, log = free_port(), tmp_path / "demo.log"
    command = [environment / "bin" / "bijlighar", "demo", "--port", str(port), "--meter-port", str(free_port())]
    with log.open("wb") as said:
        demo = subprocess.Popen(
            [*command, "--data", tmp_path / "data"],
            cwd=tmp_path,
            env={"PATH": "", "HOME": str(tmp_path)},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert "<script" in page(port), log.read_text()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(END_S) == 0, log.read_text()
        give_up_s = time.monotonic() + END_S
        while _is_there(demo.pid):
            assert time.monotonic() < give_up_s, log.read_text()
            time.sleep(0.1)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()


def test_a_wheel_without_pages_is_refused(tmp_path):
    wheel = tmp_path / "bijlighar-0.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("bijlighar/__init__.py", "")
    with pytest.raises(WheelWithoutPages):
        check(wheel)
