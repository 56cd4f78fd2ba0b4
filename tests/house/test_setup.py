"""The set-up does a step again only when its content changed, and says in a sentence why it cannot go on."""

import sys

import pytest

from scripts.setup import __main__ as setup
from scripts.setup import debian, environments, pages, stamps
from scripts.setup.progress import ROOT, CannotGoOn, run


@pytest.fixture
def stamped(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(stamps, "ROOT", tmp_path)
    return tmp_path


def test_a_hash_changes_with_content_name_and_words(stamped):
    first, second = stamped / "a.txt", stamped / "b.txt"
    first.write_text("one")
    second.write_text("two")
    hashes = [stamps.content_hash([first]), stamps.content_hash([second]), stamps.content_hash([first, second])]
    hashes.append(stamps.content_hash([first], "another interpreter"))
    first.write_text("One")
    hashes.append(stamps.content_hash([first]))
    assert len(set(hashes)) == len(hashes)


def test_a_hash_does_not_depend_on_the_order_of_files(stamped):
    files = [stamped / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text(file.name)
    assert stamps.content_hash(files) == stamps.content_hash(files[::-1])


def test_a_stamp_holds_until_it_is_forgotten(stamped):
    assert not stamps.is_current("pages", "x")
    stamps.write("pages", "x")
    assert stamps.is_current("pages", "x")
    assert not stamps.is_current("pages", "y")
    stamps.forget("pages")
    assert not stamps.is_current("pages", "x")


def test_a_failing_command_is_told_with_its_own_words():
    with pytest.raises(CannotGoOn, match=r"no room left[\s\S]*ended with status 3"):
        run([sys.executable, "-c", "print('no room left'); raise SystemExit(3)"], label="a step")


def test_a_missing_network_is_called_by_its_name():
    words = "Temporary failure in name resolution"
    with pytest.raises(CannotGoOn, match="Is there a network"):
        run([sys.executable, "-c", f"print({words!r}); raise SystemExit(1)"], label="a step")


def test_a_running_command_says_how_far_it_is(capsys):
    seen = []

    def state_of(line):
        seen.append(line.strip())
        return

    run([sys.executable, "-c", "print('one'); print('two')"], label="a step", state_of=state_of)
    assert seen == ["one", "two"]
    assert "a step" in capsys.readouterr().out


def test_an_unknown_part_is_refused_with_the_known_ones(capsys):
    assert setup.main(["everything"]) == 2
    assert "pages" in capsys.readouterr().err


def test_the_pages_are_made_of_what_is_written_not_of_what_is_fetched():
    sources = {str(file.relative_to(ROOT)) for file in pages._sources()}
    assert "web/package-lock.json" in sources
    assert not any("node_modules" in name for name in sources)


def test_a_debian_without_venv_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(environments.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CannotGoOn, match="apt-get install python3-venv"):
        environments._ensure(tmp_path / ".venv")


def test_an_old_python_is_refused_by_its_version(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "MINIMUM_PYTHON", (99, 0))
    with pytest.raises(CannotGoOn, match=r"Python 99.0 or newer is needed; this is 3\."):
        environments._ensure(tmp_path / ".venv")


def test_a_machine_that_is_no_debian_is_told_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "CHROMIUM", tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotGoOn, match="install chromium"):
        debian.install_chromium()


def test_what_is_installed_is_not_installed_again(tmp_path, monkeypatch, capsys):
    (tmp_path / "chromium").touch()
    (tmp_path / "x86").mkdir()
    (tmp_path / "x86" / "libatomic.so.1").touch()
    monkeypatch.setattr(debian, "CHROMIUM", tmp_path / "chromium")
    monkeypatch.setattr(debian, "LIBRARIES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    debian.install_chromium()
    assert capsys.readouterr().out == ""
