"""The CSV files that a utility imports, and the identities in them."""

import csv

import pytest

from meterlab import identity, registry
from meterlab.town import mohalla
from meterlab.trial import trial


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def files(tmp_path):
    registry.write(trial(seed=3), tmp_path / "import", 4059)
    return {path.stem: read(path) for path in (tmp_path / "import").iterdir()}


def test_headers_are_those_of_the_import(files):
    assert set(files) == set(registry.HEADERS)
    for name, rows in files.items():
        assert tuple(rows[0]) == registry.HEADERS[name]


def test_the_trial_is_eleven_flats_and_their_transformer(files):
    assert [p["name"] for p in files["usage_points"]][:2] == ["Flat 101", "Flat 102"]
    assert [p["kind"] for p in files["usage_points"]] == ["consumer"] * 11 + ["transformer"]
    assert {m["category"] for m in files["meters"][:11]} == {"D1"}
    assert files["meters"][11]["category"] == "D4"
    assert files["meters"][11]["host"] == "127.16.0.12"
    assert files["divisions"][0]["name_hi"] == "बिजलीघर परेड"


def test_every_reference_leads_somewhere(files):
    codes = {name: {row["code"] for row in files[name]} for name in ("divisions", "substations", "feeders")}
    transformers = {row["code"] for row in files["transformers"]}
    points = {row["code"] for row in files["usage_points"]}
    serials = {row["serial"] for row in files["meters"]}
    assert {s["division"] for s in files["substations"]} <= codes["divisions"]
    assert {f["substation"] for f in files["feeders"]} <= codes["substations"]
    assert {t["feeder"] for t in files["transformers"]} <= codes["feeders"]
    assert {p["transformer"] for p in files["usage_points"]} <= transformers
    assert {m["usage_point"] for m in files["meters"]} == points
    assert {k["serial"] for k in files["keys"]} == serials


def test_keys_are_for_their_owner_only(tmp_path):
    registry.write(trial(seed=3), tmp_path, 4059)
    assert (tmp_path / "keys.csv").stat().st_mode & 0o077 == 0


def test_every_meter_has_its_own_name_title_and_keys():
    meters = range(3000)
    assert len({identity.serial(1, m) for m in meters}) == 3000
    assert len({identity.system_title(1, m) for m in meters}) == 3000
    keys = [identity.keys(1, m) for m in meters]
    drawn = {k for key in keys for k in (key.encryption, key.authentication, key.master, key.setting_secret)}
    assert len(drawn) == 4 * 3000
    assert all(len(k) == 16 for k in drawn)
    assert len({key.reader_secret for key in keys}) == 3000
    assert all(len(key.reader_secret) == 8 and key.reader_secret.isalnum() for key in keys)


def test_keys_follow_from_the_seed():
    assert identity.keys(1, 4) == identity.keys(1, 4)
    assert identity.keys(1, 4) != identity.keys(2, 4)


def test_a_larger_town_has_the_same_files(tmp_path):
    town = mohalla(seed=2, consumers=400)
    registry.write(town, tmp_path, 4100)
    assert len(read(tmp_path / "meters.csv")) == len(town)
    assert {row["port"] for row in read(tmp_path / "meters.csv")} == {"4100"}
    assert len(read(tmp_path / "transformers.csv")) == town.transformers


def test_an_unknown_file_is_refused():
    with pytest.raises(KeyError):
        registry.rows(trial(seed=1), "tariffs", 4059)
