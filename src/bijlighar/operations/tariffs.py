"""Tariffs by code: the utility's own, else those of the package, and which one holds by the setting."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from bijlighar.mdm.billing import Tariff, TariffRefused, parse_tariff
from bijlighar.records import Records

TARIFF_KEY = "billing.tariff"
"""Dated setting: the code of the tariff for usage points that have none of their own."""
DEFAULT_TARIFF = "up-lmv-1-urban"
_SUFFIX = ".toml"


class UnknownTariff(LookupError):
    """No tariff of this code is known. ``code``."""

    def __init__(self, code: str, known: list[str]) -> None:
        super().__init__(f"no tariff is called {code!r}; there are {', '.join(known)}")
        self.code = code


def tariff(code: str, folder: Path | None = None) -> Tariff:
    """A tariff of the utility's own folder, else a shipped one. Raises UnknownTariff, TariffRefused."""
    texts = {**_shipped(), **_own(folder)}
    if code not in texts:
        raise UnknownTariff(code, sorted(texts))
    found = parse_tariff(texts[code])
    if found.code != code:
        raise TariffRefused("code", f"the file {code}{_SUFFIX} holds the tariff {found.code!r}")
    return found


def tariff_codes(folder: Path | None = None) -> frozenset[str]:
    """Codes of all tariffs that are known."""
    return frozenset(_shipped()) | frozenset(_own(folder))


def code_in_force(records: Records, at_s: int) -> str:
    """The code that the setting names at an instant."""
    setting = records.settings.setting(TARIFF_KEY, at_s)
    return DEFAULT_TARIFF if setting is None else str(setting.value)


def tariff_in_force(records: Records, at_s: int, folder: Path | None = None) -> Tariff:
    """The tariff that the setting names at an instant. Raises UnknownTariff, TariffRefused."""
    return tariff(code_in_force(records, at_s), folder)


@cache
def _shipped() -> dict[str, str]:
    folder = files("bijlighar.mdm.billing") / "tariffs"
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(_SUFFIX)
    }


def _own(folder: Path | None) -> dict[str, str]:
    if folder is None or not folder.is_dir():
        return {}
    return {file.stem: file.read_text("utf-8") for file in sorted(folder.glob(f"*{_SUFFIX}"))}
