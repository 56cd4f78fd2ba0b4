"""The benchmark of the control room makes a city that can be asked about, and tells its figures."""

from __future__ import annotations

from benches import live


def test_live_tells_its_figures() -> None:
    told = live.run(meters=1_200).as_dict()
    assert told["meters"] == 1_200
    assert {"start_s", "rss_mb", "list_ms_p95", "search_ms_p95", "apply_us_per_row"} <= set(told)
    assert max(told["list_ms"].values()) > 0
    assert max(told["search_ms"].values()) > 0
    assert set(told["goals"]) == {"start_s", "rss_mb", "list_ms_p95", "search_ms_p95"}
