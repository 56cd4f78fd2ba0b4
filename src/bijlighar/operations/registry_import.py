"""Taking in the registry and the meters' keys: sheets are checked whole, keys are sealed before they are kept."""

from __future__ import annotations

from pathlib import Path

from bijlighar.cim.exchange import SealedKeys
from bijlighar.headend.keys import Keyring, KeysNotOpened, MeterKeys
from bijlighar.records import Records
from bijlighar.records.registry_import import ImportReport, KeyRow


def import_registry(records: Records, path: Path, keyring: Keyring | None) -> ImportReport:
    """Import a folder of sheets, or one sheet; with any error nothing is kept.

    ``keyring`` None: a sheet of keys is refused. The same keys again are told as unchanged. Raises Unavailable.
    """
    if keyring is None:
        return records.registry.import_folder(path)

    def seal(row: KeyRow) -> bytes:
        return keyring.seal(row.meter_id, row.serial, _keys(row)).sealed

    def holds(row: KeyRow, sealed: bytes) -> bool:
        try:
            held = keyring.unseal(SealedKeys(meter_id=row.meter_id, sealed=sealed), row.serial)
        except KeysNotOpened:
            return False
        return held == _keys(row)

    return records.registry.import_folder(path, seal, holds)


def _keys(row: KeyRow) -> MeterKeys:
    return MeterKeys(
        encryption_key=row.encryption_key,
        authentication_key=row.authentication_key,
        reader_secret=row.reader_secret,
        setting_secret=row.setting_secret,
        master_key=row.master_key,
    )
