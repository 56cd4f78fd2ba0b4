"""Import of the registry: checked whole, kept whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bijlighar.records import Records, registry_csv
from bijlighar.records.registry_import import KeyRow


def _seal(key: KeyRow) -> bytes:
    return b"sealed " + key.serial.encode() + key.encryption_key


def _holds(key: KeyRow, sealed: bytes) -> bool:
    return sealed == _seal(key)


def _edit(file: Path, old: str, new: str) -> None:
    content = file.read_text(encoding="utf-8")
    assert old in content
    file.write_text(content.replace(old, new), encoding="utf-8")


def test_a_folder_is_imported(records: Records, sheets: Path) -> None:
    report = records.registry.import_folder(sheets, seal=_seal)
    assert (report.added, report.changed, report.unchanged, report.errors) == (40, 0, 0, ())
    meters = records.registry.meters()
    assert [meter.meter_id for meter in meters] == list(range(1, 13))
    assert meters[0].serial == "BJ0001"
    assert meters[0].system_title == bytes.fromhex("424A4C0000000001")
    assert meters[0].group == "tower-1"
    assert records.registry.divisions()[0].name_hi == "बिजलीघर परेड"
    assert records.keys.sealed_keys([3])[0].sealed == b"sealed BJ0003" + (3).to_bytes(16, "big")


def test_the_same_folder_again_changes_nothing(records: Records, sheets: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    version = records.registry.version()
    report = records.registry.import_folder(sheets, seal=_seal, holds=_holds)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 40)
    assert records.registry.version() == version


def test_a_changed_row_is_an_update(records: Records, sheets: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    version = records.registry.version()
    _edit(sheets / "meters.csv", "127.16.0.5", "127.16.9.9")
    report = records.registry.import_folder(sheets / "meters.csv")
    assert (report.added, report.changed, report.unchanged) == (0, 1, 11)
    assert records.registry.meters()[4].host == "127.16.9.9"
    assert records.registry.version() > version


def test_a_new_meter_takes_the_place_of_the_old_one(records: Records, sheets: Path, day_s: int) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    (sheets / "meters.csv").write_text(
        "serial,system_title,category,model,usage_point,host\nNEW1,424A4C0000000099,D1,is15959-d1,U3,127.16.0.99\n"
    )
    report = records.registry.import_folder(sheets / "meters.csv")
    (replaced,) = report.replacements
    assert (replaced.usage_point, replaced.removed, replaced.installed) == ("U3", "BJ0003", "NEW1")
    assert "BJ0003" not in {meter.serial for meter in records.registry.meters()}
    history = records.registry.installations(usage_point="U3")
    assert [(row.meter_id, row.removed_s) for row in history] == [(3, day_s + 21_600), (13, None)]


def test_two_meters_may_exchange_places_and_titles(records: Records, sheets: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    _edit(
        sheets / "meters.csv",
        "BJ0001,424A4C0000000001,D1,is15959-d1,U1,",
        "BJ0001,424A4C0000000002,D1,is15959-d1,U2,",
    )
    _edit(
        sheets / "meters.csv",
        "BJ0002,424A4C0000000002,D1,is15959-d1,U2,",
        "BJ0002,424A4C0000000001,D1,is15959-d1,U1,",
    )
    report = records.registry.import_folder(sheets / "meters.csv")
    assert (report.errors, report.changed, report.replacements) == ((), 2, ())
    assert {meter.serial: meter.usage_point for meter in records.registry.meters()}["BJ0001"] == "U2"


@pytest.mark.parametrize(
    ("file", "old", "new", "row", "column", "detail"),
    [
        (
            "feeders.csv",
            "F1,Mall Road,SS1,400",
            "F1,Mall Road,SS9,400",
            2,
            "substation",
            "names nothing in substations",
        ),
        ("feeders.csv", ",400", ",many", 2, "limit_a", "is not a whole number"),
        ("feeders.csv", ",400", ",0", 2, "limit_a", "is not between 1 and 10000"),
        ("feeders.csv", ",400", ",", 2, "limit_a", "is empty"),
        ("feeders.csv", ",400", "", 2, "", "has 3 cells instead of 4"),
        ("feeders.csv", "limit_a", "limit", 1, "limit", "is no column of this sheet"),
        ("transformers.csv", "26.47", "126.47", 2, "latitude", "is not between -90 and 90 degrees"),
        ("transformers.csv", "26.47", "nan", 2, "latitude", "is not between"),
        ("usage_points.csv", "U2,consumer", "U1,consumer", 4, "code", "stands in row 3 already"),
        (
            "usage_points.csv",
            "U2,consumer",
            "U2,customer",
            4,
            "kind",
            "is not one of consumer, transformer, feeder",
        ),
        ("meters.csv", "424A4C0000000002", "424A4C0000000001", 3, "system_title", "stands in row 2 already"),
        ("meters.csv", "424A4C0000000002", "424A", 3, "system_title", "has 2 octets instead of 8"),
        ("meters.csv", "BJ0002", "BJ\x0002", 3, "serial", "holds a control character"),
        ("meters.csv", ",U2,", ",U1,", 3, "usage_point", "stands in row 2 already"),
        ("meters.csv", "127.16.0.2,4059", "127.16.0.2,99999", 3, "port", "is not between 1 and 65535"),
        ("keys.csv", "BJ0002,", "BJ9999,", 3, "serial", "names nothing in meters"),
        ("keys.csv", f"{2:032x}", "secret-that-must-not-show", 3, "encryption_key", "is not hexadecimal"),
        ("divisions.csv", "Bijlighar Parade", '"Bijlighar" Parade', 2, "", "is not readable as CSV"),
    ],
)
def test_a_fault_is_told_by_row_and_column_and_nothing_is_kept(
    records: Records, sheets: Path, file: str, old: str, new: str, row: int, column: str, detail: str
) -> None:
    _edit(sheets / file, old, new)
    report = records.registry.import_folder(sheets, seal=_seal)
    fault = next(fault for fault in report.errors if fault.file == file)
    assert (fault.row, fault.column) == (row, column)
    assert detail in fault.detail
    assert "secret" not in str(report)
    assert records.registry.divisions() == []
    assert records.keys.sealed_keys() == []


def test_a_file_in_another_encoding_is_refused_with_its_row(records: Records, sheets: Path) -> None:
    content = (sheets / "usage_points.csv").read_text().replace("Consumer 3", "Müller")
    (sheets / "usage_points.csv").write_bytes(content.encode("latin-1"))
    report = records.registry.import_folder(sheets, seal=_seal)
    assert (report.errors[0].file, report.errors[0].row) == ("usage_points.csv", 5)
    assert "UTF-8" in report.errors[0].detail


def test_a_byte_order_mark_is_no_part_of_the_header(records: Records, sheets: Path) -> None:
    (sheets / "divisions.csv").write_bytes(b"\xef\xbb\xbf" + (sheets / "divisions.csv").read_bytes())
    assert records.registry.import_folder(sheets, seal=_seal).errors == ()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(records: Records, sheets: Path, content: bytes) -> None:
    (sheets / "divisions.csv").write_bytes(content)
    report = records.registry.import_folder(sheets, seal=_seal)
    assert report.errors[0].detail == "is empty"


def test_a_file_that_is_too_large_is_not_read(records: Records, sheets: Path) -> None:
    with (sheets / "divisions.csv").open("r+b") as file:
        file.truncate(registry_csv.FILE_LIMIT_OCTETS + 1)
    report = records.registry.import_folder(sheets, seal=_seal)
    assert "split the file" in report.errors[0].detail


def test_many_errors_are_counted_and_the_first_told(records: Records, sheets: Path) -> None:
    rows = "".join(f"X{n},Name,NOWHERE\n" for n in range(1000))
    (sheets / "substations.csv").write_text("code,name,division\n" + rows)
    report = records.registry.import_folder(sheets, seal=_seal)
    assert len(report.errors) == registry_csv.ERRORS_TOLD
    assert report.error_count > 1000


def test_a_file_that_is_no_sheet_is_told(records: Records, sheets: Path) -> None:
    (sheets / "consumers.csv").write_text("a,b\n1,2\n")
    report = records.registry.import_folder(sheets, seal=_seal)
    assert report.errors[0].file == "consumers.csv"


def test_an_absent_file_is_told(records: Records, tmp_path: Path) -> None:
    report = records.registry.import_folder(tmp_path / "meters.csv")
    assert "cannot be read" in report.errors[0].detail


def test_keys_need_a_seal(records: Records, sheets: Path) -> None:
    report = records.registry.import_folder(sheets)
    assert report.errors[0].file == "keys.csv"


def test_a_seal_that_fails_keeps_nothing(records: Records, sheets: Path) -> None:
    def broken(_key: KeyRow) -> bytes:
        raise RuntimeError("no master key")

    with pytest.raises(RuntimeError, match="no master key"):
        records.registry.import_folder(sheets, seal=broken)
    assert records.registry.divisions() == []


def test_key_rows_do_not_show_keys() -> None:
    key = KeyRow(
        meter_id=1,
        serial="BJ0001",
        encryption_key=b"e" * 16,
        authentication_key=b"a" * 16,
        reader_secret=b"r",
        setting_secret=b"s" * 16,
        master_key=b"m" * 16,
    )
    assert repr(key) == "KeyRow(meter_id=1, serial='BJ0001')"


def test_an_export_is_no_formula_and_comes_back_the_same(records: Records, sheets: Path, tmp_path: Path) -> None:
    _edit(sheets / "usage_points.csv", "Consumer 3", "=HYPERLINK(1)")
    _edit(sheets / "usage_points.csv", "Consumer 4", "-4 Sons")
    records.registry.import_folder(sheets, seal=_seal)
    files = records.registry.export_folder(tmp_path / "export")
    assert len(files) == 6
    content = (tmp_path / "export" / "usage_points.csv").read_text(encoding="utf-8")
    assert "'=HYPERLINK(1)" in content
    assert "'-4 Sons" in content
    report = records.registry.import_folder(tmp_path / "export")
    assert (report.errors, report.added, report.changed, report.unchanged) == ((), 0, 0, 28)


def test_a_meter_is_told_with_its_place(trial: Records) -> None:
    place = trial.registry.place(12)
    assert place is not None
    assert (place.usage_point.kind, place.meter.serial) == ("transformer", "BJ0012")
    assert (place.transformer_name, place.feeder, place.division_name_hi) == ("Sweet Home", "F1", "बिजलीघर परेड")
    assert trial.registry.place(99) is None


def test_a_removed_meter_keeps_its_history(trial: Records, day_s: int) -> None:
    trial.registry.remove_meter("BJ0004", day_s + 60)
    assert len(trial.registry.meters()) == 11
    assert trial.registry.installations(meter_id=4)[0].removed_s == day_s + 60
    with pytest.raises(Exception, match="not in the registry"):
        trial.registry.remove_meter("BJ0004", day_s + 90)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sheets are read and kept three rows at a time."""
    monkeypatch.setattr(registry_csv, "CHUNK_ROWS", 3)


def test_pieces_make_no_difference(small_pieces: None, records: Records, sheets: Path) -> None:
    report = records.registry.import_folder(sheets, seal=_seal)
    assert (report.added, report.changed, report.unchanged, report.errors) == (40, 0, 0, ())
    assert [meter.meter_id for meter in records.registry.meters()] == list(range(1, 13))
    _edit(sheets / "meters.csv", "127.16.0.11", "127.16.9.9")
    report = records.registry.import_folder(sheets, seal=_seal, holds=_holds)
    assert (report.added, report.changed, report.unchanged) == (0, 1, 39)


def test_every_fault_of_every_piece_is_told_by_its_row(small_pieces: None, records: Records, sheets: Path) -> None:
    _edit(sheets / "usage_points.csv", "U5,consumer", "U5,customer")
    _edit(sheets / "usage_points.csv", "Flat 6,26.47", "Flat 6,x")
    _edit(sheets / "usage_points.csv", "U10,consumer,Consumer 10,T1", "U10,consumer,Consumer 10,T9")
    _edit(sheets / "usage_points.csv", "U11,", "U1,")
    report = records.registry.import_folder(sheets / "usage_points.csv")
    told = {(fault.row, fault.column) for fault in report.errors}
    assert {(7, "kind"), (8, "latitude"), (12, "transformer"), (13, "code")} <= told
    assert records.registry.usage_points() == []


def test_meters_of_different_pieces_may_exchange_places_and_titles(
    small_pieces: None, records: Records, sheets: Path
) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    first, last = "BJ0001,424A4C0000000001,D1,is15959-d1,U1,", "BJ0011,424A4C000000000B,D1,is15959-d1,U11,"
    _edit(sheets / "meters.csv", first, "BJ0001,424A4C000000000B,D1,is15959-d1,U11,")
    _edit(sheets / "meters.csv", last, "BJ0011,424A4C0000000001,D1,is15959-d1,U1,")
    report = records.registry.import_folder(sheets / "meters.csv")
    assert (report.errors, report.changed, report.replacements) == ((), 2, ())
    assert {meter.serial: meter.usage_point for meter in records.registry.meters()}["BJ0001"] == "U11"


def test_a_new_meter_may_take_a_title_that_another_gives_up(records: Records, sheets: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    _edit(sheets / "meters.csv", "BJ0001,424A4C0000000001", "BJ0001,424A4C00000000AA")
    with (sheets / "meters.csv").open("a") as file:
        file.write("NEW1,424A4C0000000001,D1,is15959-d1,U1,127.16.0.99,,,\n")
    _edit(sheets / "meters.csv", "AA,D1,is15959-d1,U1,", "AA,D1,is15959-d1,U2,")
    _edit(sheets / "meters.csv", "BJ0002,424A4C0000000002,D1,is15959-d1,U2,", "")
    _edit(sheets / "meters.csv", "127.16.0.2,4059,tower-1,Bijli\n", "")
    report = records.registry.import_folder(sheets / "meters.csv")
    assert report.errors == ()
    meters = {meter.serial: meter for meter in records.registry.meters()}
    assert meters["NEW1"].system_title == bytes.fromhex("424A4C0000000001")
    assert [replaced.removed for replaced in report.replacements] == ["BJ0002"]


RATIOS = "serial,system_title,category,model,usage_point,host,ct_primary,ct_secondary,opening_wh,closing_wh\n"
THREE = "BJ0003,424A4C0000000003,D1,is15959-d1,U3,127.16.0.3"


def _meters(sheets: Path, *rows: str, header: str = RATIOS) -> Path:
    (sheets / "meters.csv").write_text(header + "".join(f"{row}\n" for row in rows))
    return sheets / "meters.csv"


def test_a_ratio_told_later_holds_for_the_whole_stay_and_another_one_begins_a_stay(
    records: Records, sheets: Path, day_s: int
) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    assert records.registry.installations(meter_id=3)[0].ratio is None
    file = _meters(sheets, f"{THREE},200,5,1000,")
    first, again = (records.registry.import_folder(file) for _ in range(2))
    assert (first.changed, again.changed, again.unchanged) == (1, 0, 1)
    (stay,) = records.registry.installations(meter_id=3)
    assert (stay.ratio, stay.opening_wh, stay.removed_s) == (40, 1000, None)
    assert records.registry.import_folder(_meters(sheets, f"{THREE},,,,")).changed == 0, (
        "an empty cell says nothing"
    )
    assert records.registry.import_folder(_meters(sheets, f"{THREE},400,5,0,9000")).changed == 1
    old, new = records.registry.installations(meter_id=3)
    assert (old.ratio, old.removed_s, old.closing_wh) == (40, day_s + 21_600, 9000)
    assert (new.ratio, new.installed_s, new.opening_wh) == (80, day_s + 21_600, 0)


def test_a_replacement_keeps_the_transformers_and_both_readings(records: Records, sheets: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    records.registry.import_folder(_meters(sheets, f"{THREE},200,5,,"))
    file = _meters(sheets, "NEW1,424A4C0000000099,D1,is15959-d1,U3,127.16.0.99,,,70,123450")
    assert records.registry.import_folder(file).errors == ()
    old, new = records.registry.installations(usage_point="U3")
    assert (old.ratio, old.opening_wh, old.closing_wh) == (40, None, 123_450)
    assert (new.ratio, new.opening_wh, new.closing_wh) == (40, 70, None)
    assert records.registry.import_folder(file).unchanged == 1
    corrected = _meters(sheets, "NEW1,424A4C0000000099,D1,is15959-d1,U3,127.16.0.99,,,70,123460")
    assert records.registry.import_folder(corrected).changed == 1
    assert records.registry.installations(usage_point="U3")[0].closing_wh == 123_460


@pytest.mark.parametrize(
    ("cells", "column", "detail"),
    [
        ("200,,,", "ct_secondary", "is empty, but ct_primary is not"),
        ("0,5,,", "ct_primary", "is not between 1 and"),
        (",,-1,", "opening_wh", "is not between 0 and"),
        (",,,77", "closing_wh", "no meter stood at this usage point before"),
    ],
)
def test_transformers_and_registers_that_cannot_be_are_told(
    records: Records, sheets: Path, cells: str, column: str, detail: str
) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    report = records.registry.import_folder(_meters(sheets, f"{THREE},{cells}"))
    (fault,) = report.errors
    assert (fault.row, fault.column) == (2, column)
    assert detail in fault.detail
    assert records.registry.installations(meter_id=3)[0].ratio is None


def test_transformers_and_digits_come_out_as_they_went_in(records: Records, sheets: Path, tmp_path: Path) -> None:
    records.registry.import_folder(sheets, seal=_seal)
    header = f"{RATIOS.strip()},pt_primary,pt_secondary,register_digits\n"
    records.registry.import_folder(_meters(sheets, f"{THREE},200,5,1000,,11000,110,6", header=header))
    (stay,) = records.registry.installations(meter_id=3)
    assert stay.ratio == 40 * 100
    assert records.registry.meters()[2].register_digits == 6
    records.registry.export_folder(tmp_path / "out")
    again = records.registry.import_folder(tmp_path / "out" / "meters.csv")
    assert (again.added, again.changed, again.unchanged) == (0, 0, 12)


def test_what_is_remembered_is_that_of_the_version_that_stands(trial: Records, tmp_path: Path) -> None:
    with trial.registry.remembered():
        before = trial.registry.meters(), trial.registry.usage_points(), trial.registry.installations()
        trial.registry.meters().clear()
        assert (trial.registry.meters(), trial.registry.usage_points(), trial.registry.installations()) == before
        trial.registry.remove_meter("BJ0001", 2_000_000_000)
        assert len(trial.registry.meters()) == len(before[0]) - 1
        assert [each.removed_s for each in trial.registry.installations(meter_id=1)] == [2_000_000_000]
        (tmp_path / "point").mkdir()
        sheet = "code,kind,name,transformer\nU2,consumer,Someone else,T1\n"
        (tmp_path / "point" / "usage_points.csv").write_text(sheet, encoding="utf-8")
        assert not trial.registry.import_folder(tmp_path / "point").errors
        assert {each.name for each in trial.registry.usage_points() if each.code == "U2"} == {"Someone else"}
    assert trial.registry.meters() == [each for each in before[0] if each.serial != "BJ0001"]
