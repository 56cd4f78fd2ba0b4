"""A TOML table that is read key by key and says which key is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.obis import Obis

T = TypeVar("T")


class ModelRefused(ValueError):
    """A meter model's text is wrong at ``key`` (dotted; "" = the text itself); ``reason`` says how."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}" if key else reason)
        self.key = key
        self.reason = reason


class TomlTable:
    """One table. Every ``read`` takes a key; ``finish`` refuses what nobody took."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = dict(values)
        self._path = path

    def at(self, key: str) -> str:
        """The dotted name of a key; "" is the table itself."""
        return ".".join(part for part in (self._path, key) if part)

    def refused(self, key: str, reason: str) -> ModelRefused:
        """The error for a key, to be raised."""
        return ModelRefused(self.at(key), reason)

    def has(self, key: str) -> bool:
        """Whether the key is there and not yet taken."""
        return key in self._values

    def _take(self, key: str, kind: type[T], name: str) -> T:
        if key not in self._values:
            raise self.refused(key, f"is missing, {name} is needed")
        value = self._values.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.refused(key, f"is {value!r}, {name} is needed")
        return value

    def text(self, key: str) -> str:
        """A string."""
        return self._take(key, str, "a string")

    def boolean(self, key: str) -> bool:
        """A boolean."""
        return self._take(key, bool, "true or false")

    def integer(self, key: str, allowed: range) -> int:
        """An integer in ``allowed``."""
        value = self._take(key, int, "an integer")
        if value not in allowed:
            raise self.refused(key, f"is {value}, possible are {allowed.start} to {allowed.stop - 1}")
        return value

    def integers(self, key: str, allowed: range) -> frozenset[int]:
        """A list of integers in ``allowed``."""
        listed = self._take(key, list, "a list of integers")
        for value in listed:
            if not isinstance(value, int) or value not in allowed:
                raise self.refused(key, f"holds {value!r}, possible are {allowed.start} to {allowed.stop - 1}")
        return frozenset(listed)

    def strings(self, key: str) -> list[str]:
        """A list of strings."""
        listed: list[Any] = self._take(key, list, "a list of strings")
        for value in listed:
            if not isinstance(value, str):
                raise self.refused(key, f"holds {value!r}, strings are needed")
        return listed

    def choice(self, key: str, choices: Mapping[str, T]) -> T:
        """One of the names in ``choices``."""
        value = self.text(key)
        if value not in choices:
            raise self.refused(key, f"is {value!r}, possible are {_listed(choices)}")
        return choices[value]

    def obis(self, key: str) -> Obis:
        """An OBIS code."""
        value = self.text(key)
        try:
            return Obis.parse(value)
        except LocalProtocolError as error:
            raise self.refused(key, error.reason) from None

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        """What ``read`` makes of the key, or None when it is not there."""
        return read(key) if self.has(key) else None

    def table(self, key: str) -> TomlTable:
        """A table within this one; empty when it is not there."""
        if not self.has(key):
            return TomlTable({}, self.at(key))
        return TomlTable(self._take(key, dict, "a table"), self.at(key))

    def tables(self) -> Iterator[tuple[str, TomlTable]]:
        """Every remaining key as a table."""
        for key in list(self._values):
            yield key, self.table(key)

    def finish(self) -> None:
        """Refuse keys that nobody took."""
        for key in self._values:
            raise self.refused(key, "is not a known key")


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names)
