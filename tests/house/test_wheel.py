"""A wheel built from the tree works where there is neither the checkout nor Node."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from scripts.wheel import PAGES, WheelWithoutPages, build_wheel, check


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


def test_a_wheel_without_pages_is_refused(tmp_path):
    wheel = tmp_path / "bijlighar-0.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("bijlighar/__init__.py", "")
    with pytest.raises(WheelWithoutPages):
        check(wheel)
