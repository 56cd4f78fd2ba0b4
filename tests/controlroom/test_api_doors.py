"""Who may come in: hosts, origins, tokens, roles, headers; told for every route of the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.routes import HTTPRoute

from bijlighar.controlroom.app import build_litestar
from bijlighar.controlroom.protection import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from bijlighar.controlroom.roles import PERMISSIONS, Permission, Role, allowed
from bijlighar.controlroom.room import ControlRoom
from controlroom.utility import PEOPLE, sign_in

Client = Any


def _routes(room: ControlRoom) -> list[tuple[str, str, Permission | None]]:
    """``(method, path, what it needs)`` of every HTTP route, with numbers in place of parameters."""
    app: Litestar = build_litestar(room, pages={}, secret="s")
    return [
        (method, route.path_format.replace("{meter_id}", "1").replace("{", "").replace("}", ""), need)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        for need in [handler.opt.get("needs")]
        if method != "OPTIONS"
    ]


def test_every_route_names_what_it_needs(room: ControlRoom) -> None:
    routes = _routes(room)
    assert len(routes) > 20
    assert [route for route in routes if not isinstance(route[2], Permission)] == []


def test_only_these_routes_are_open_to_anybody(room: ControlRoom) -> None:
    assert {(method, path) for method, path, need in _routes(room) if need is Permission.ANYBODY} == {
        ("GET", "/"),
        ("GET", "/path"),
        ("GET", "/metrics"),
        ("GET", "/api/health"),
        ("GET", "/api/session"),
        ("GET", "/api/demo"),  # nothing but in a demo: test_api_demo
        ("POST", "/api/session"),
        ("POST", "/api/billing/messages/kind"),  # whoever signs as the billing server: test_api_billing
        ("POST", "/api/billing/statements"),
        ("POST", "/api/billing/cim"),
    }


def test_whoever_is_not_signed_in_gets_nothing_from_any_route(client: Client, room: ControlRoom) -> None:
    client.get("/")
    headers = {"x-csrftoken": client.cookies["csrftoken"]}
    for method, path, need in _routes(room):
        if need is not Permission.ANYBODY:
            answer = client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "not-signed-in"), (method, path)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_role_opens_its_routes_and_no_others(client: Client, room: ControlRoom, name: str) -> None:
    headers = sign_in(client, name)
    for method, path, need in _routes(room):
        if need is None or need is Permission.ANYBODY or (method, path) == ("DELETE", "/api/session"):
            continue
        answer = client.request(method, path, headers=headers)
        if allowed(PEOPLE[name], need):
            assert answer.status_code not in (401, 403), (method, path, answer.text)
        else:
            assert (answer.status_code, answer.json()["error"]) == (403, "not-allowed"), (method, path)


def test_no_unsafe_route_works_without_the_token(client: Client, room: ControlRoom) -> None:
    sign_in(client, "admin")
    for method, path, _ in _routes(room):
        if method not in ("GET", "HEAD"):
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["error"]) == (403, "csrf-token-wrong"), (method, path)


def test_every_role_is_thought_of() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert not allowed(["overlord"], Permission.READ_METERS)
    assert PERMISSIONS[Role.CONSUMER] == {Permission.READ_OWN}
    assert Permission.MANAGE_PEOPLE not in PERMISSIONS[Role.SUPERVISOR]


@pytest.mark.parametrize(
    "path", ["/", "/meters/12", "/api/health", "/api/session", "/api/nowhere", "/nowhere.js", "/metrics"]
)
def test_every_answer_bears_the_security_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    for name, value in SECURITY_HEADERS:
        assert answer.headers[name.decode()] == value.decode()
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_an_answer_of_the_api_is_not_kept_by_anybody(client: Client) -> None:
    assert client.get("/api/session").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "localhost@evil"]
)
def test_a_foreign_host_name_is_refused(client: Client, host: str) -> None:
    answer = client.get("/api/health", headers={"host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "host-not-known")
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8460", "127.0.0.1:8460", "[::1]:8460"])
def test_our_own_names_with_any_port_are_welcome(client: Client, host: str) -> None:
    assert client.get("/api/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "file://", "https://["]
)
def test_a_foreign_origin_changes_nothing_even_with_the_token(client: Client, origin: str) -> None:
    headers = sign_in(client, "viewer")
    answer = client.delete("/api/session", headers={**headers, "origin": origin})
    assert (answer.status_code, answer.json()["error"]) == (403, "origin-not-allowed")
    assert client.get("/api/session").status_code == 200


def test_our_own_origin_may(client: Client) -> None:
    headers = sign_in(client, "viewer")
    assert client.delete("/api/session", headers={**headers, "origin": "http://127.0.0.1"}).status_code == 204


def test_figures_are_for_this_machine_only(client: Client) -> None:
    for path in ("/metrics", "/metrics/"):
        answer = client.get(path)  # the test's client is no loopback address
        assert (answer.status_code, answer.json()["error"]) == (403, "not-allowed")


def test_nobodys_body_is_read_in_search_of_a_token(client: Client) -> None:
    sign_in(client, "admin")
    token = client.cookies["csrftoken"]
    for path in ("/api/registry/imports", "/api/session"):
        answer = client.post(path, data={"_csrf_token": token}, files={"meters": ("m.csv", b"x" * 100_000)})
        assert (answer.status_code, answer.json()["error"]) == (403, "csrf-token-wrong")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "not-found"),
        ("GET", "/api/", 404, "not-found"),
        ("GET", "/api", 404, "not-found"),
        ("POST", "/meters", 405, "method-not-allowed"),
        ("PUT", "/api/status", 405, "method-not-allowed"),
        ("GET", "/schema", 200, ""),
    ],
)
def test_strange_addresses_and_methods(client: Client, method: str, path: str, status: int, code: str) -> None:
    headers = sign_in(client, "admin")
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    if code:
        assert answer.json()["error"] == code


def test_the_description_of_the_api_needs_a_session_and_names_the_routes(client: Client) -> None:
    assert client.get("/api/openapi.json").status_code == 401
    sign_in(client, "viewer")
    described = client.get("/api/openapi.json").json()
    assert "/api/meters/{meter_id}/curve" in described["paths"]
    parameters = {each["name"] for each in described["paths"]["/api/meters"]["get"]["parameters"]}
    assert {"q", "state", "sort", "direction", "offset", "limit"} <= parameters


def test_every_path_of_the_pages_shows_the_index_and_files_have_their_own_rules(client: Client) -> None:
    for path in ("/", "/meters", "/meters/12", "/sign-in"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
    script = client.get("/assets/app-Ab12Cd34.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/../settings.py",
        "/..%2f..%2fsettings.py",
        "/assets/..%2f..%2f..%2fetc%2fpasswd.txt",
        "/%2e%2e/%2e%2e/etc/passwd.txt",
        "//etc/passwd.txt",
        "/assets/app-Ab12Cd34.js/../../index.py",
        "/assets/app-Ab12Cd34.js%00.png",
        "/assets/gone-Ab12Cd34.js",
    ],
)
def test_no_path_leads_out_of_the_pages(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "not-found"


def test_without_built_pages_a_sentence_is_shown(pages: dict[str, Any], open_client: Callable[..., Any]) -> None:
    pages.clear()
    with open_client() as client:
        answer = client.get("/")
        assert answer.status_code == 503
        assert "make setup" in answer.text
        assert client.get("/api/health").status_code == 200


def test_the_feed_is_for_our_own_pages(client: Client) -> None:
    sign_in(client, "viewer")
    for headers in ({}, {"origin": "http://evil.example"}, {"origin": "null"}):
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/api/live", headers=headers):
            pass
        assert closed.value.code == 4403


def test_the_feed_needs_a_session_and_a_role(client: Client) -> None:
    for name, code in (("", 4401), ("household", 4403)):
        if name:
            sign_in(client, name)
        with client.websocket_connect("/api/live", headers={"origin": "http://127.0.0.1"}) as socket:
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_bytes(timeout=60)
            assert closed.value.code == code
