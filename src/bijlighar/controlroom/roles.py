"""Roles of the utility's people and what each may ask of the control room.

These guard the API. Whether an order may be carried out is another question, and the gate's.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """Who somebody is at the utility."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    CREDIT_OFFICER = "credit officer"
    REVENUE_INSPECTOR = "revenue inspector"
    STORE_KEEPER = "store keeper"
    INSTALLER = "installer"
    ADMINISTRATOR = "administrator"
    BILLING_SYSTEM = "billing system"
    CONSUMER = "consumer"


class Permission(StrEnum):
    """What a request needs. Every route names one; a route that names none is closed."""

    ANYBODY = "anybody"  # signed in or not
    SIGNED_IN = "signed-in"
    READ_METERS = "read-meters"
    READ_TRIAL = "read-trial"
    ASK_READS = "ask-reads"
    CHECK_TRIAL = "check-trial"
    IMPORT_REGISTRY = "import-registry"
    MANAGE_PEOPLE = "manage-people"
    READ_AUDIT = "read-audit"
    WORK_EXCEPTIONS = "work-exceptions"
    EDIT_READINGS = "edit-readings"
    READ_BILLING = "read-billing"
    DECIDE_LINK = "decide-link"
    READ_OWN = "read-own"


_READS = frozenset({Permission.READ_METERS, Permission.READ_TRIAL})
_OPERATES = _READS | {Permission.ASK_READS, Permission.CHECK_TRIAL, Permission.WORK_EXCEPTIONS}
_BILLS = frozenset({Permission.READ_BILLING})

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _READS,
    Role.OPERATOR: _OPERATES,
    Role.SUPERVISOR: _OPERATES
    | _BILLS
    | {Permission.READ_AUDIT, Permission.DECIDE_LINK, Permission.EDIT_READINGS},
    Role.CREDIT_OFFICER: _READS | _BILLS | {Permission.WORK_EXCEPTIONS, Permission.EDIT_READINGS},
    Role.REVENUE_INSPECTOR: _READS,
    Role.STORE_KEEPER: _READS,
    Role.INSTALLER: _READS,
    Role.ADMINISTRATOR: _READS
    | _BILLS
    | {
        Permission.IMPORT_REGISTRY,
        Permission.MANAGE_PEOPLE,
        Permission.READ_AUDIT,
        Permission.DECIDE_LINK,
    },
    Role.BILLING_SYSTEM: frozenset({Permission.READ_METERS}),
    # A consumer's own page comes with its own narrow questions; the utility's lists are not for them.
    Role.CONSUMER: frozenset({Permission.READ_OWN}),
}


def known_roles(names: Iterable[str]) -> tuple[Role, ...]:
    """The roles of those names, in order, each once. Raises ValueError for an unknown name."""
    return tuple(dict.fromkeys(Role(name) for name in names))


def allowed(roles: Iterable[str], permission: Permission) -> bool:
    """True when one of the roles may. An unknown role of an older or newer version may nothing."""
    if permission in (Permission.ANYBODY, Permission.SIGNED_IN):
        return True
    return any(permission in PERMISSIONS[Role(name)] for name in roles if name in _NAMES)


_NAMES = frozenset(role.value for role in Role)
