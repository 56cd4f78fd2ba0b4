"""People, their web sessions, the audit chain and dated settings."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bijlighar.records import Records
from bijlighar.records.people import Person
from bijlighar.records.settings import Setting
from bijlighar.records.web_sessions import WebSessions

ASHA = Person(name="asha", display_name="Asha Verma", display_name_hi="आशा वर्मा", password_hash="$argon2id$x")


def test_a_person_is_kept_and_changed(records: Records) -> None:
    assert records.people.find("asha") is None
    records.people.put(ASHA)
    changed = Person(
        name="asha",
        display_name="Asha",
        password_hash="$y",
        roles=("operator", "engineer"),
        language="hi",
        disabled=True,
    )
    records.people.put(changed)
    assert records.people.find("asha") == changed
    assert records.people.all() == [changed]
    assert records.people.count() == 1


def test_a_password_hash_does_not_show() -> None:
    assert "argon2" not in repr(ASHA)


def test_a_person_needs_a_name(records: Records) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        records.people.put(Person(name=" ", display_name="", password_hash=""))


def test_a_web_session_lives_until_it_expires(records: Records) -> None:
    wall = [1_000.0]
    sessions = WebSessions(records._database, lambda: wall[0])

    async def story() -> None:
        assert await sessions.get("id") is None
        await sessions.set("id", b"content", expires_in=60)
        await sessions.set("other", "text")
        assert await sessions.get("id") == b"content"
        assert await sessions.expires_in("id") == 60
        assert await sessions.expires_in("other") is None
        wall[0] += 59
        assert await sessions.get("id", renew_for=timedelta(seconds=60)) == b"content"
        wall[0] += 59
        assert await sessions.exists("id")
        wall[0] += 1
        assert not await sessions.exists("id")
        await sessions.delete_expired()
        assert await sessions.get("other") == b"text"
        await sessions.delete("other")
        await sessions.delete("other")
        assert await sessions.get("other") is None
        await sessions.set("third", b"x")
        await sessions.delete_all()
        assert await sessions.get("third") is None

    asyncio.run(story())


def test_the_database_does_not_hold_session_ids(records: Records) -> None:
    asyncio.run(records.web_sessions.set("secret-id", b"x"))
    with records._database.read() as connection:
        assert "secret-id" not in str(connection.execute(text("SELECT id_hash FROM web_sessions")).all())


def test_setting_an_unchanged_session_again_writes_nothing(records: Records) -> None:
    wall = [1_000.0]
    sessions = WebSessions(records._database, lambda: wall[0])

    async def story() -> None:
        await sessions.set("id", b"content", expires_in=600)
        wall[0] += 30
        await sessions.set("id", b"content", expires_in=600)
        assert await sessions.expires_in("id") == 570
        wall[0] += 31
        await sessions.set("id", b"content", expires_in=600)
        assert await sessions.expires_in("id") == 600
        await sessions.set("id", b"changed", expires_in=600)
        assert await sessions.get("id") == b"changed"

    asyncio.run(story())


def _three_entries(records: Records) -> None:
    for number in range(3):
        records.audit.append(
            who="asha", what="signed in", subject=f"person:{number}", detail={"address": "127.0.0.1"}, at_s=number
        )


def test_the_audit_chain_fits(records: Records) -> None:
    assert records.audit.verify().entries == 0
    _three_entries(records)
    verdict = records.audit.verify()
    assert (verdict.entries, verdict.broken_at) == (3, None)
    assert [entry.subject for entry in records.audit.entries(limit=2)] == ["person:2", "person:1"]
    assert records.audit.entries(subject="person:0")[0].detail == {"address": "127.0.0.1"}
    assert records.audit.count() == 3


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE audit SET who = 'ravi' WHERE number = 2", 2, "altered"),
        ("DELETE FROM audit WHERE number = 2", 2, "missing"),
        ("DELETE FROM audit WHERE number = 3", 3, "ends at 2"),
        ("UPDATE audit SET previous_hash = hash WHERE number = 3", 3, "does not follow"),
    ],
)
def test_tampering_with_the_audit_log_shows(records: Records, statement: str, broken_at: int, reason: str) -> None:
    _three_entries(records)
    with records._database.write() as connection:
        _drop_guard(connection)
        connection.execute(text(statement))
    verdict = records.audit.verify()
    assert verdict.broken_at == broken_at
    assert reason in verdict.reason


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'ravi'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_the_audit_log(records: Records, statement: str) -> None:
    _three_entries(records)
    with pytest.raises(DBAPIError, match="only added to"), records._database.write() as connection:
        connection.execute(text(statement))
    assert records.audit.verify().entries == 3


def _drop_guard(connection: Connection) -> None:
    """What somebody with the database's own rights would do first."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(text("DROP TRIGGER audit_no_delete"))
    else:
        connection.execute(text("DROP TRIGGER audit_no_change ON audit"))


def test_a_setting_holds_from_its_date(records: Records) -> None:
    def put(value: object, valid_from_s: int) -> None:
        setting = Setting(
            key="trial.success", value=value, valid_from_s=valid_from_s, changed_by="asha", changed_s=1
        )
        records.settings.put(setting)

    put({"percent": 95}, 100)
    put({"percent": 98}, 200)
    put({"percent": 97}, 200)
    assert records.settings.setting("trial.success", 99) is None
    assert records.settings.setting("trial.success", 199).value == {"percent": 95}
    assert records.settings.setting("trial.success", 200).value == {"percent": 97}
    assert records.settings.all(200)["trial.success"].value == {"percent": 97}
    assert len(records.settings.history("trial.success")) == 3
