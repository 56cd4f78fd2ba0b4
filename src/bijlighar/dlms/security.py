"""Security suite 0: AES-GCM-128 with tags of 12 octets, key wrap, and the proofs of HLS (IEC 62056-5-3).

Suites 1 and 2 are refused by name. The initialisation vector is the sender's system title and the invocation
counter; whoever calls ``seal`` must never give the same counter twice under one key.

The library's one-shot AEAD makes tags of 16 octets only and cannot check 12. GCM encrypts by XOR with a key
stream, so sealing the ciphertext once more gives the plaintext, and sealing that gives the tag to compare: two
one-shots are less than half the price of a cipher context. Nothing leaves ``open`` before the tags are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotAuthentic, SuiteNotSupported, Truncated

SYSTEM_TITLE_OCTETS = 8
KEY_OCTETS = 16
TAG_OCTETS = 12
CHALLENGE_OCTETS = 16
"""What we send: mechanism 2 pads other lengths, and makes of meter pad differently."""
MIN_CHALLENGE_OCTETS, MAX_CHALLENGE_OCTETS = 8, 64
"""What the standard allows a peer to send."""
HLS_GMAC_OCTETS = 17
FULL_TAG_OCTETS = 16
"""What the library makes; ours is its first 12."""
BEFORE_FULL_TAG, UP_TO_TAG = slice(None, -16), slice(None, -4)
TAG_OF_FULL_TAG, LAST_TAG, TAG_ALONE = slice(-16, -4), slice(-12, None), slice(12)
"""Cuts of what the library makes and of what came; named and made once, for they stand in the busiest lines."""


class SecurityControl(IntFlag):
    """The security control octet above its suite number (bits 3 to 0)."""

    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    AUTHENTICATED_ENCRYPTED = 0x30
    BROADCAST_KEY = 0x40
    COMPRESSED = 0x80


AUTHENTICATED = int(SecurityControl.AUTHENTICATED)
ENCRYPTED = int(SecurityControl.ENCRYPTED)
BOTH = int(SecurityControl.AUTHENTICATED_ENCRYPTED)
_SUITE = 0x0F
_UNSUPPORTED = int(SecurityControl.BROADCAST_KEY | SecurityControl.COMPRESSED)


class ChallengePadding(Enum):
    """How a make of meter fills up a mechanism 2 challenge whose length is no multiple of 16."""

    PKCS7 = "pkcs7"
    ZEROS = "zeros"


class SuiteZero:
    """The two keys of one meter, made ready: key schedule and associated data are computed once."""

    __slots__ = ("aad_authenticated", "aad_both", "encrypt")

    def __init__(self, encryption_key: bytes, authentication_key: bytes) -> None:
        self.encrypt = AESGCM(encryption_key).encrypt
        self.aad_both = bytes([BOTH]) + authentication_key
        self.aad_authenticated = bytes([AUTHENTICATED]) + authentication_key

    def seal(self, control: int, nonce: bytes, plaintext: bytes) -> bytes:
        """Ciphertext or plaintext, and the tag when authenticated. ``nonce``: sender's title and counter."""
        if control == BOTH:
            return self.encrypt(nonce, plaintext, self.aad_both)[:-4]
        if control == ENCRYPTED:
            return self.encrypt(nonce, plaintext, None)[:-FULL_TAG_OCTETS]
        if control == AUTHENTICATED:
            return plaintext + self.tag(nonce, plaintext)
        raise LocalProtocolError(f"security control {control:#04x} is not authenticated, encrypted or both")

    def tag(self, nonce: bytes, octets: bytes) -> bytes:
        """The 12-octet GMAC over security control 10h, authentication key and ``octets``."""
        return self.encrypt(nonce, b"", self.aad_authenticated + octets)[:TAG_OCTETS]

    def open(self, control: int, nonce: bytes, body: bytes) -> bytes:
        """The plaintext. Raises NotAuthentic, or what ``judge_control`` raises."""
        if control == BOTH:
            plaintext = self.encrypt(nonce, body[:-TAG_OCTETS], None)[:-FULL_TAG_OCTETS]
            computed = self.encrypt(nonce, plaintext, self.aad_both)[-FULL_TAG_OCTETS:-4]
        elif control == AUTHENTICATED:
            plaintext = body[:-TAG_OCTETS]
            computed = self.tag(nonce, plaintext)
        else:
            judge_control(control)
            return self.encrypt(nonce, body, None)[:-FULL_TAG_OCTETS]
        if not compare_digest(computed, body[-TAG_OCTETS:]):
            raise NotAuthentic("the tag is not the peer's" if len(body) >= TAG_OCTETS else "there is no whole tag")
        return plaintext


def judge_control(control: int) -> None:
    """Raise SuiteNotSupported or Malformed unless ``control`` is one of suite 0's three protections."""
    if control & _SUITE:
        raise SuiteNotSupported(control & _SUITE)
    if control & _UNSUPPORTED:
        raise Malformed(f"security control {control:#04x}: broadcast key and compression are not supported")
    if not control & BOTH:
        raise NotAuthentic("a ciphered APDU without any protection")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityMaterial:
    """One side's system title and the two global keys it shares with the peer. Keys stay out of its repr.

    Keep it for as long as the keys hold: the key schedule is made once, at the first use.
    """

    system_title: bytes
    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)
    _suite: list[SuiteZero] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _sized("a system title", self.system_title, SYSTEM_TITLE_OCTETS)
        _sized("an encryption key of suite 0", self.encryption_key, KEY_OCTETS)
        _sized("an authentication key of suite 0", self.authentication_key, KEY_OCTETS)

    @property
    def suite(self) -> SuiteZero:
        """The keys made ready."""
        made = self._suite
        if not made:
            made.append(SuiteZero(self.encryption_key, self.authentication_key))
        return made[0]


def _sized(name: str, octets: bytes, size: int) -> None:
    if len(octets) != size:
        raise LocalProtocolError(f"{name} has {size} octets, not {len(octets)}")


def wrap_key(key: bytes, key_encryption_key: bytes) -> bytes:
    """``key`` (16 octets) wrapped by AES key wrap, RFC 3394: 24 octets."""
    _sized("a key", key, KEY_OCTETS)
    _sized("a key encryption key", key_encryption_key, KEY_OCTETS)
    return aes_key_wrap(key_encryption_key, key)


def unwrap_key(wrapped: bytes, key_encryption_key: bytes) -> bytes:
    """The key inside ``wrapped`` (24 octets). Raises Truncated or NotAuthentic."""
    _sized("a key encryption key", key_encryption_key, KEY_OCTETS)
    if len(wrapped) != KEY_OCTETS + 8:
        raise Truncated(f"a wrapped key has {KEY_OCTETS + 8} octets, not {len(wrapped)}")
    try:
        return aes_key_unwrap(key_encryption_key, wrapped)
    except InvalidUnwrap:
        raise NotAuthentic("a wrapped key was not wrapped under this key encryption key") from None


def hls_aes(secret: bytes, challenge: bytes, padding: ChallengePadding = ChallengePadding.PKCS7) -> bytes:
    """The proof of mechanism 2 as Indian meters make it: AES-128-ECB of the challenge under the HLS secret."""
    _sized("the secret of HLS mechanism 2", secret, KEY_OCTETS)
    missing = -len(challenge) % KEY_OCTETS
    filler = missing if padding is ChallengePadding.PKCS7 else 0
    cipher = Cipher(algorithms.AES(secret), modes.ECB())  # noqa: S305  # prescribed by IS 15959; one random block, once
    encryptor = cipher.encryptor()
    return encryptor.update(challenge + bytes([filler]) * missing) + encryptor.finalize()


def hls_gmac(suite: SuiteZero, title: bytes, counter: int, challenge: bytes) -> bytes:
    """The proof of mechanism 5: control 10h, counter, GMAC of the challenge. ``title`` is the prover's."""
    count = counter.to_bytes(4, "big")
    return b"\x10" + count + suite.tag(title + count, challenge)


def check_hls_gmac(suite: SuiteZero, title: bytes, challenge: bytes, proof: bytes) -> None:
    """Raise NotAuthentic unless ``proof`` is the peer's ``hls_gmac`` of our ``challenge``.

    Its counter is not compared with others: the fresh challenge is what makes the proof fresh.
    """
    if len(proof) != HLS_GMAC_OCTETS or proof[0] != AUTHENTICATED:
        raise NotAuthentic("an HLS-GMAC proof has 17 octets and begins with 10h")
    if not compare_digest(suite.tag(title + proof[1:5], challenge), proof[5:]):
        raise NotAuthentic("the HLS-GMAC proof is not the peer's")
