"""The door through a folder: sheets for a billing server that reads and writes files.

``out/statements-<message>.csv`` leaves whole or not at all. What the billing server puts into ``in/`` is taken
when its name ends with ``.csv`` and begins with ``answers``, ``dues``, ``payments`` or ``accounts``. It must end
with a line end, so that a file cut in half is told. A file goes to ``in/done`` with a receipt, or to
``in/refused`` with the reason.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bijlighar.cim.billing import Acknowledgement, Delivery, Receipt
from bijlighar.operations.billing_exchange.delivering import BillingServerAway
from bijlighar.operations.billing_exchange.intake import KINDS, message_id_of, take_message
from bijlighar.operations.billing_exchange.json_form import message_id_for, receipt_of, statement_of
from bijlighar.records import Records
from bijlighar.records.billing_in import MessageContradicts

LARGEST_FILE_OCTETS = 100_000_000
COLUMNS = (
    "key", "revision", "usage_point", "first_day", "last_day", "meters", "import_wh", "import_vah", "export_wh",
    "export_vah", "demand_w", "demand_start", "power_factor_milli", "band_wh", "basis", "expected_slots",
    "missing_slots", "estimated_slots", "estimated_wh", "determined",
)  # fmt: skip


class SheetRefused(ValueError):
    """A file as a whole cannot be read. The text is one sentence."""


@dataclass(frozen=True, kw_only=True)
class FolderTaken:
    """Receipts by file name, and reasons of files that were refused whole."""

    taken: dict[str, Receipt]
    refused: dict[str, str]


class FolderDoor:
    """Writes sheets below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / "out"

    def send(self, deliveries: Sequence[Delivery]) -> Sequence[Acknowledgement]:
        """Write one sheet; answers come as a file later. Raises BillingServerAway when the disk refuses."""
        name = f"statements-{message_id_for(deliveries)}.csv"
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            temporary = self._out / f".{name}.part"
            with temporary.open("w", encoding="utf-8", newline="") as sheet:
                sheet.write(sheet_of(deliveries))
                sheet.flush()
                os.fsync(sheet.fileno())
            temporary.replace(self._out / name)
        except OSError as fault:
            raise BillingServerAway(f"the folder cannot be written: {fault.strerror}") from fault
        return []


def sheet_of(deliveries: Sequence[Delivery]) -> str:
    """Statements as a sheet; lists are written with a space between."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for each in deliveries:
        told = statement_of(each)
        row = {name: "" if told[name] is None else told[name] for name in COLUMNS}
        writer.writerow(
            {**row, "meters": " ".join(told["meters"]), "band_wh": " ".join(map(str, told["band_wh"]))}
        )
    return text.getvalue()


def take_folder(records: Records, folder: Path, *, now_s: int, tariffs: Path | None = None) -> FolderTaken:
    """Take every file that is there, the oldest first. Twice is harmless. Raises Unavailable, OSError."""
    taken: dict[str, Receipt] = {}
    refused: dict[str, str] = {}
    incoming = folder / "in"
    incoming.mkdir(parents=True, exist_ok=True)
    files = [file for file in incoming.iterdir() if file.suffix == ".csv" and file.is_file()]
    for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name)):
        try:
            kind, octets, rows = _read(file)
            number = message_id_of("folder", octets)
            receipt = take_message(records, kind, number, rows, now_s=now_s, tariffs=tariffs)
        except (SheetRefused, MessageContradicts) as fault:
            refused[file.name] = str(fault)
            _put_aside(file, "refused", {"error": str(fault)})
        else:
            taken[file.name] = receipt
            _put_aside(file, "done", receipt_of(receipt))
    return FolderTaken(taken=taken, refused=refused)


def _read(file: Path) -> tuple[str, bytes, list[object]]:
    kind = next((kind for kind in KINDS if file.name.startswith(kind)), None)
    if kind is None:
        raise SheetRefused(f"the name begins with none of {', '.join(KINDS)}")
    if file.stat().st_size > LARGEST_FILE_OCTETS:
        raise SheetRefused(f"the file is larger than {LARGEST_FILE_OCTETS} octets")
    octets = file.read_bytes()
    if not octets.endswith(b"\n"):
        raise SheetRefused("the file does not end with a line end: it was cut off")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise SheetRefused(f"the file is not UTF-8: octet {fault.start}") from fault
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restval="")
    try:
        rows: list[object] = [dict(row) for row in reader]
    except csv.Error as fault:
        raise SheetRefused(f"line {reader.line_num}: {fault}") from fault
    ragged = [number for number, row in enumerate(rows, 1) if isinstance(row, dict) and None in row]
    if ragged or not reader.fieldnames:
        raise SheetRefused(
            f"row {ragged[0]} has more columns than the header" if ragged else "the file has no header"
        )
    return kind, octets, rows


def _put_aside(file: Path, where: str, told: dict[str, object]) -> None:
    target = file.parent / where
    target.mkdir(exist_ok=True)
    (target / f"{file.name}.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    file.replace(target / file.name)
