"""``bijlighar bench registry`` imports what it says and finds it again."""

from __future__ import annotations

from benches import registry_import


def test_a_small_registry_is_imported_and_searched() -> None:
    told = registry_import.run(meters=60).as_dict()
    assert told["rows"] > 3 * 60
    assert min(told[name] for name in ("import_s", "import_rss_mb", "search_ms_p95", "again_s")) > 0
    assert set(told["goals"]) == {"import_s", "import_rss_mb", "search_ms_p95"}
