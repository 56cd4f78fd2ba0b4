"""Meter keys at rest: each meter's keys sealed under one master key with AES-256-GCM.

The meter's serial is the additional authenticated data, so sealed keys moved to another meter do not open. The
master key comes from a file that only its owner can read, or from the environment; it never stands beside the
records. Nothing here puts a key into a repr, a message or a log.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bijlighar.cim.exchange import SealedKeys

MASTER_KEY_VARIABLE = "BIJLIGHAR_MASTER_KEY"
MASTER_KEY_OCTETS = 32
_NONCE_OCTETS = 12
_FORMAT = b"\x01"
"""First octet of sealed keys; another layout gets another number."""
_CONTEXT = b"bijlighar meter keys 1\x00"


class MasterKeyRefused(Exception):
    """There is no usable master key. ``reason`` never holds any of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeysNotOpened(Exception):
    """Sealed keys do not open: another master key, another meter, or changed octets."""

    def __init__(self, meter_id: int) -> None:
        super().__init__(f"the keys of meter {meter_id} do not open under this master key and serial")
        self.meter_id = meter_id


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MeterKeys:
    """One meter's secrets. An empty value means that the meter has none.

    ``encryption_key``, ``authentication_key`` 16 octets each (global unicast and authentication key)
    ``reader_secret``  LLS password of the meter-reader association
    ``setting_secret`` HLS secret of the utility-setting association, 16 octets
    ``master_key``     16 octets, wraps new keys on key transfer
    """

    encryption_key: bytes = b""
    authentication_key: bytes = b""
    reader_secret: bytes = b""
    setting_secret: bytes = b""
    master_key: bytes = b""

    def __repr__(self) -> str:
        return "MeterKeys(hidden)"


def create_master_key(path: Path) -> None:
    """Draw a master key into a new file of mode 0600. Raises FileExistsError rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(MASTER_KEY_OCTETS) + "\n")
        file.flush()
        os.fsync(file.fileno())


class Keyring:
    """Seals and opens meter keys under one master key."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_OCTETS:
            raise MasterKeyRefused(f"a master key has {MASTER_KEY_OCTETS} octets")
        self._cipher = AESGCM(master_key)

    def __repr__(self) -> str:
        return "Keyring(hidden)"

    @classmethod
    def load(cls, path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Keyring:
        """The keyring of BIJLIGHAR_MASTER_KEY when set (64 hex digits), else of the file at ``path``.

        Raises MasterKeyRefused when neither is there, the file can be read by others, or it holds no key.
        """
        written = environment.get(MASTER_KEY_VARIABLE)
        if written is not None:
            return cls(_from_hex(written, MASTER_KEY_VARIABLE))
        if path is None:
            raise MasterKeyRefused(f"no master key: set {MASTER_KEY_VARIABLE} or name a key file")
        return cls(_from_hex(_read_private(path), str(path)))

    def seal(self, meter_id: int, serial: str, keys: MeterKeys) -> SealedKeys:
        """``keys`` for keeping beside the registry."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        sealed = _FORMAT + nonce + self._cipher.encrypt(nonce, _pack(keys), _context(serial))
        return SealedKeys(meter_id=meter_id, sealed=sealed)

    def unseal(self, sealed: SealedKeys, serial: str) -> MeterKeys:
        """The keys again. Raises KeysNotOpened."""
        octets = sealed.sealed
        body = 1 + _NONCE_OCTETS
        if octets[:1] != _FORMAT or len(octets) < body:
            raise KeysNotOpened(sealed.meter_id)
        try:
            opened = self._cipher.decrypt(octets[1:body], octets[body:], _context(serial))
        except InvalidTag:
            raise KeysNotOpened(sealed.meter_id) from None
        return _unpack(opened)


def _from_hex(written: str, where: str) -> bytes:
    try:
        return bytes.fromhex(written.strip())
    except ValueError:
        raise MasterKeyRefused(f"{where} does not hold {2 * MASTER_KEY_OCTETS} hexadecimal digits") from None


def _read_private(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise MasterKeyRefused(f"{path} can be read by others; its mode must be 0600")
        return path.read_text()
    except OSError as error:
        raise MasterKeyRefused(f"cannot read the master key file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MasterKeyRefused(f"{path} does not hold {2 * MASTER_KEY_OCTETS} hexadecimal digits") from None


def _context(serial: str) -> bytes:
    return _CONTEXT + serial.encode()


def _pack(keys: MeterKeys) -> bytes:
    values: list[bytes] = [getattr(keys, field.name) for field in fields(keys)]
    return b"".join(len(value).to_bytes(2, "big") + value for value in values)


def _unpack(octets: bytes) -> MeterKeys:
    values, offset = {}, 0
    for name in _NAMES:
        begin = offset + 2
        offset = begin + (octets[offset] << 8 | octets[offset + 1])
        values[name] = octets[begin:offset]
    return MeterKeys(**values)


_NAMES = tuple(field.name for field in fields(MeterKeys))
