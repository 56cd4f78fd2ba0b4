"""Settings: one TOML file, then the environment (``BIJLIGHAR_…``), then flags; the later one wins.

Each field of ``Settings`` is one key of the file and, in capitals with the prefix ``BIJLIGHAR_``, one variable of
the environment. docs/operating.md explains each; tests/house/test_docs.py holds it to that.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

ENVIRONMENT_PREFIX = "BIJLIGHAR_"

SECRET_SETTINGS = frozenset({"master_key", "billing_secret"})
"""Never printed, never logged, never written into the file that child processes read."""

MOST_PORT = 65_535

LEAST_SECRET_OCTETS = 16
"""Of a secret that signs messages: 128 bits, as many as a meter's key has."""

LONGEST_SOCKET_PATH_OCTETS = 100
"""A Unix socket's path ends at 107 octets (sun_path of Linux); ZeroMQ needs a few of them."""


class SettingsRefused(ValueError):
    """The settings are wrong. ``key`` names the setting, ``reason`` is one sentence."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"setting {key}: {reason}" if key else reason)
        self.key = key
        self.reason = reason


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Seconds, octets and counts as the names say; empty text means "the default"."""

    data_dir: str = "var/bijlighar"
    database_url: str = ""
    master_key_file: str = ""
    master_key: str = ""
    host: str = "127.0.0.1"
    port: int = 8460
    host_names: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    secure_cookies: bool = False
    feed: str = ""
    headends: int = 1
    headend_metrics_port: int = 0
    sessions_at_once: int = 200
    sessions_a_group: str = "50, gateway=1"
    backfill_days: int = 35
    push_address: str = ""
    dial_in_address: str = ""
    models_dir: str = ""
    billing_url: str = ""
    billing_secret: str = ""
    billing_form: str = "json"
    billing_folder: str = ""
    tariffs_dir: str = ""
    session_idle_s: int = 1_800
    session_absolute_s: int = 43_200
    sign_in_failures: int = 5
    sign_in_lock_s: int = 300
    live_clients: int = 200
    clock_file: str = ""
    town: str = ""
    log_level: str = "info"

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsRefused(name, f"{value} lies outside {low} to {high}")
        for name, allowed in _WORDS.items():
            value = getattr(self, name)
            if value not in allowed:
                raise SettingsRefused(name, f"{value!r} is none of {', '.join(sorted(allowed))}")
        if not self.secure_cookies and not _is_loopback(self.host):
            raise SettingsRefused(
                "secure_cookies",
                f"must be true when host is {self.host}: passwords travel only over HTTPS, or within this machine",
            )
        if not self.host_names:
            raise SettingsRefused("host_names", "names nobody; then nobody may call")
        if not self.data_dir:
            raise SettingsRefused("data_dir", "names no directory")
        if self.session_absolute_s < self.session_idle_s:
            raise SettingsRefused("session_absolute_s", "is shorter than session_idle_s")
        self._check_doors()
        self.group_sessions()
        self._check_billing()
        if len(self.feed_address.encode()) > LONGEST_SOCKET_PATH_OCTETS:
            raise SettingsRefused(
                "feed", "the data directory's path is too long for a socket; set feed to tcp://127.0.0.1:PORT"
            )

    def _check_billing(self) -> None:
        if self.billing_url and not self.billing_url.startswith(("https://", "http://")):
            raise SettingsRefused(
                "billing_url", f"{self.billing_url!r} is no address such as https://billing.example/in"
            )
        if self.billing_url.startswith("http://") and not _is_loopback(urlsplit(self.billing_url).hostname or ""):
            raise SettingsRefused("billing_url", "must be https: what people use travels only over HTTPS")
        if self.billing_secret and len(self.billing_secret.encode()) < LEAST_SECRET_OCTETS:
            raise SettingsRefused("billing_secret", f"is shorter than {LEAST_SECRET_OCTETS} octets")
        if self.billing_url and self.billing_folder:
            raise SettingsRefused(
                "billing_folder", "and billing_url are two doors for the same statements: choose one"
            )
        if self.billing_url and not self.billing_secret:
            raise SettingsRefused("billing_secret", "is missing: messages to billing_url are signed with it")

    def push_target(self) -> tuple[str, int] | None:
        """Host and port at which meters push, None for nowhere. Raises SettingsRefused."""
        return self._door("push_address")

    def dial_in_door(self, number: int) -> tuple[str, int] | None:
        """Host and port at which meters dial in to head-end ``number``, from 1. Raises SettingsRefused.

        Each head-end has a port of its own, upwards from the one that is set; None for nowhere.
        """
        door = self._door("dial_in_address")
        return None if door is None else (door[0], door[1] + number - 1)

    def _door(self, name: str) -> tuple[str, int] | None:
        text: str = getattr(self, name)
        if not text:
            return None
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not _is_address(bare) or not port.isdecimal() or not 1 <= int(port) <= MOST_PORT:
            raise SettingsRefused(name, f"{text!r} is no address and port such as 0.0.0.0:4059 or [::]:4059")
        return bare, int(port)

    def _check_doors(self) -> None:
        pushed, first, last = self.push_target(), self.dial_in_door(1), self.dial_in_door(self.headends)
        if first is None or last is None:
            return
        if last[1] > MOST_PORT:
            raise SettingsRefused("dial_in_address", f"leaves no ports for {self.headends} head-ends")
        if pushed is not None and first[1] <= pushed[1] <= last[1]:
            raise SettingsRefused(
                "dial_in_address", f"takes port {pushed[1]} of push_address; each head-end needs one of its own"
            )

    def group_sessions(self) -> tuple[int, dict[str, int]]:
        """Visits at once that a communication group bears, and those of some kinds. Raises SettingsRefused."""
        others, kinds = None, {}
        for part in _listed(self.sessions_a_group):
            kind, named, count = part.rpartition("=")
            if not count.strip().isdecimal() or int(count) < 1 or (named and not kind.strip().isalnum()):
                raise SettingsRefused("sessions_a_group", f"{part!r} is neither a number nor KIND=NUMBER")
            if named:
                kinds[kind.strip().lower()] = int(count)
            else:
                others = int(count)
        if others is None:
            raise SettingsRefused("sessions_a_group", "names no number for groups of other kinds")
        return others, kinds

    @property
    def data_path(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def records_url(self) -> str:
        """The SQLAlchemy URL of the records database."""
        return self.database_url or f"sqlite:///{self.data_path / 'records.db'}"

    @property
    def feed_address(self) -> str:
        """The ZeroMQ address at which the control room listens and head-ends publish."""
        return self.feed or f"ipc://{self.data_path / 'feed'}"

    @property
    def models_path(self) -> Path | None:
        """The folder of own meter models, absolute; None for those of the package alone."""
        return Path(self.models_dir).expanduser().absolute() if self.models_dir else None

    @property
    def billing_path(self) -> Path | None:
        """The folder of the billing link, absolute; None when sheets are no door."""
        return Path(self.billing_folder).expanduser().absolute() if self.billing_folder else None

    @property
    def tariffs_path(self) -> Path | None:
        """The folder of own tariffs, absolute; None for those of the package alone."""
        return Path(self.tariffs_dir).expanduser().absolute() if self.tariffs_dir else None

    @property
    def master_key_path(self) -> Path:
        """Where the master key stands when the environment does not give it."""
        return Path(self.master_key_file).expanduser() if self.master_key_file else self.data_path / "master.key"


_BOUNDS: dict[str, tuple[int, int]] = {
    "port": (1, 65_535),
    "headends": (1, 64),
    "headend_metrics_port": (0, 65_535),
    "sessions_at_once": (1, 10_000),
    "backfill_days": (1, 35),
    "session_idle_s": (60, 86_400),
    "session_absolute_s": (300, 604_800),
    "sign_in_failures": (1, 100),
    "sign_in_lock_s": (1, 86_400),
    "live_clients": (1, 10_000),
}
_WORDS: dict[str, frozenset[str]] = {
    "billing_form": frozenset({"json", "cim"}),
    "log_level": frozenset({"debug", "info", "warning", "error"}),
}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """The effective settings. Flags that are None count as not given.

    Raises SettingsRefused with the key at fault.
    """
    values: dict[str, Any] = _from_file(file) if file is not None else {}
    values |= _from_environment(os.environ if environment is None else environment)
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    known = set(Settings.__struct_fields__)
    for key in values.keys() - known:
        raise SettingsRefused(key, "is not known")
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as problem:
        if isinstance(problem.__cause__, SettingsRefused):
            raise problem.__cause__ from None
        reason, _, where = str(problem).partition(" - at `$.")
        raise SettingsRefused(where.rstrip("`").partition("[")[0], reason) from None


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsRefused("", f"the settings file {file} cannot be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SettingsRefused("", f"the settings file {file} is not TOML: {problem}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environment.get(ENVIRONMENT_PREFIX + field.name.upper())
        if text is not None:
            found[field.name] = _listed(text) if field.name == "host_names" else text
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def effective(settings: Settings) -> dict[str, Any]:
    """Every setting with its effective value, secrets replaced by "set" or ""."""
    shown = msgspec.to_builtins(settings)
    for name in SECRET_SETTINGS:
        shown[name] = "set" if shown[name] else ""
    shown["database_url"] = _without_password(settings.records_url)
    shown["feed"] = settings.feed_address
    shown["data_dir"] = str(settings.data_path)
    shown["billing_folder"] = str(settings.billing_path or "")
    shown["tariffs_dir"] = str(settings.tariffs_path or "")
    shown["models_dir"] = str(settings.models_path or "")
    shown["master_key_file"] = str(settings.master_key_path)
    result: dict[str, Any] = shown
    return result


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    if not at or not separator:
        return url
    return f"{scheme}://{credentials.partition(':')[0]}@{place}"


def for_children(settings: Settings) -> bytes:
    """The settings as JSON for a child process's file, without secrets: those go through its environment."""
    return msgspec.json.encode({**msgspec.to_builtins(settings), **dict.fromkeys(SECRET_SETTINGS, "")})


def from_parent(octets: bytes, *, environment: Mapping[str, str] | None = None) -> Settings:
    """What ``for_children`` wrote, with the secrets of the environment."""
    secrets = {
        name: value
        for name, value in _from_environment(os.environ if environment is None else environment).items()
        if name in SECRET_SETTINGS
    }
    return msgspec.convert({**msgspec.json.decode(octets), **secrets}, Settings)
