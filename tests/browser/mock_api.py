"""A stand-in for the control room: serves the built pages under the product's own security headers, with made-up
answers. A test tells it to fail, to be slow, to be empty or to fall silent; by hand it runs as

    python tests/browser/mock_api.py --port 8461 [--town trial|city|empty] [--trial fail|pass|running]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]

from bijlighar.controlroom.built_pages import load_pages
from bijlighar.controlroom.protection import SECURITY_HEADERS
from browser.mock_day import day_report
from browser.mock_levels import YESTERDAY, service_levels
from browser.mock_own import own_answer
from browser.mock_town import CITY_METERS, LIVE, NOW, TRIAL_METERS, Town, iso
from browser.mock_trial import scorecard
from browser.mock_validation import (
    QUEUE,
    MeterData,
    Queue,
    link,
    point,
    preview,
    reconciliation,
    refused_rows,
)
from browser.mock_validation import sheet as data_sheet

PEOPLE = {
    "operator": ("Meera Srivastava", "मीरा श्रीवास्तव", ["operator"]),
    "viewer": ("Anil Verma", "अनिल वर्मा", ["viewer"]),
    "household": ("Asha Chaurasia", "आशा चौरसिया", ["consumer"]),
    "supervisor": ("Kavita Nigam", "कविता निगम", ["supervisor"]),
}
PASSWORD = "bijli-1234"
TOKEN = "made-up-token"
PERMISSIONS = {
    "operator": ["read-meters", "read-trial", "ask-reads", "check-trial", "work-exceptions"],
    "viewer": ["read-meters", "read-trial"],
    "household": ["read-own"],
    "supervisor": [
        *("read-meters", "read-trial", "ask-reads", "check-trial", "work-exceptions", "edit-readings"),
        *("read-billing", "decide-link", "read-audit"),
    ],
}
JOB_STEPS = (("waiting", 0.0), ("running", 0.4), ("running", 0.8), ("done", 1.0))
SIZES = {"trial": TRIAL_METERS, "city": CITY_METERS, "empty": 0}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Answered(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def refused(status: int, code: str, detail: str = "") -> Answered:
    """An error as the API tells it."""
    return Answered(status, {"error": code, "detail": detail})


class MockControlRoom:
    """State that a test may change while the server runs."""

    def __init__(self, town: str = "trial") -> None:
        self.pages = load_pages()
        self.towns: dict[str, Town] = {}
        self.reset(town)

    def reset(self, town: str = "trial") -> None:
        """Back to the ordinary, for the next test."""
        if town not in self.towns:
            self.towns[town] = Town(SIZES[town])
        self.town = self.towns[town]
        self.trial = "fail"
        self.levels = "troubled"
        self.day = "gaps"
        self.own = "ordinary"
        self.queue = Queue(QUEUE if town == "city" else 60, self.town.count)
        self.data = MeterData()
        self.billing = "open"
        self.failing: dict[str, int] = {}  # path's beginning -> status
        self.slow_s = 0.0
        self.session: str | None = None
        self.demo = False
        self.language = "en"
        self.alarms: list[dict[str, Any]] = []
        self.headend_alive = True
        self.live_open = True
        self.job_fails = False
        self.jobs: dict[str, int] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.speed = 240
        self.began_s = time.monotonic()
        self.lose_a_frame = False
        self.subscriptions: list[list[str]] = []
        self.windows: list[list[int]] = []

    # --- HTTP -------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._live(scope, receive, send)
        elif scope["path"].startswith("/api/"):
            await self._api(scope, receive, send)
        else:
            await self._page(scope, send)

    async def _page(self, scope: Scope, send: Send) -> None:
        name = scope["path"].lstrip("/")
        file = self.pages.get(name) or self.pages["index.html"]
        octets, encoding = file.best(dict(scope["headers"]).get(b"accept-encoding", b"").decode())
        headers = [(b"content-type", file.media_type.encode()), (b"cache-control", b"no-store")]
        if encoding is not None:
            headers.append((b"content-encoding", encoding.encode()))
        await _answer(send, 200, octets, [*headers, *SECURITY_HEADERS])

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"set-cookie", f"csrftoken={TOKEN}; Path=/".encode())]
        headers += SECURITY_HEADERS
        body = await _body(receive)
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        try:
            found = self._route(scope, json.loads(body) if body else None)
            status = 202 if isinstance(found, dict) and set(found) == {"job_id"} else 200
        except Answered as answer:
            found, status = answer.body, answer.status
        if isinstance(found, str):
            headers[0] = (b"content-type", b"text/csv; charset=utf-8")
            name = scope["path"].rpartition("/")[2].replace("meters.csv", "meters-2026-06-12.csv")
            headers.append((b"content-disposition", f'attachment; filename="{name}"'.encode()))
            await _answer(send, status, found.encode(), headers)
        else:
            await _answer(send, status, b"" if found is None else json.dumps(found).encode(), headers)

    def _route(self, scope: Scope, body: Any) -> Any:
        method, path = scope["method"], scope["path"]
        query = dict(parse_qsl(scope["query_string"].decode()))
        if method != "GET":
            self.asked.append((method, path, body))
            sent = dict(scope["headers"]).get(b"x-csrftoken", b"").decode()
            if sent != TOKEN:
                raise refused(403, "csrf-token-wrong")
        for beginning, status in self.failing.items():
            if path.startswith(beginning):
                raise refused(status, "made-to-fail", "The test asked for it.")
        if path == "/api/demo":
            return self._demo()
        if path.startswith("/api/session"):
            return self._session(method, path, body)
        if self.session is None:
            raise refused(401, "not-signed-in", "Sign in first.")
        return self._signed_in(method, path, query, body)

    def _demo(self) -> Any:
        if not self.demo:
            raise Answered(204)
        people = [
            {"name": name, "password": PASSWORD, "display_name": en, "display_name_hi": hi, "role": roles[0]}
            for name, (en, hi, roles) in PEOPLE.items()
        ]
        return {"town": "mohalla", "people": people}

    def _session(self, method: str, path: str, body: Any) -> Any:
        if method == "POST":
            if body["name"] not in PEOPLE or body["password"] != PASSWORD:
                raise refused(401, "sign-in-refused", "Name or password is wrong.")
            self.session = body["name"]
        if self.session is None and method == "GET":
            raise Answered(204)
        if self.session is None:
            raise refused(401, "not-signed-in", "Sign in first.")
        if method == "DELETE":
            self.session = None
            raise Answered(204)
        if path.endswith("/language"):
            self.language = body["language"]
        english, hindi, roles = PEOPLE[self.session]
        return {
            "name": self.session,
            "display_name": english,
            "display_name_hi": hindi,
            "roles": roles,
            "permissions": PERMISSIONS[self.session],
            "language": self.language,
            "csrf_token": TOKEN,
        }

    def _signed_in(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        if path == "/api/my" or path.startswith("/api/my/"):
            return own_answer(path.removeprefix("/api/my").removeprefix("/"), query, self.own)
        if self.session == "household":
            raise refused(403, "not-allowed", "Your role does not allow this.")
        meter = re.fullmatch(r"/api/meters/(\d+)(?:/([\w.]+))?", path)
        if meter:
            return self._meter(int(meter[1]), meter[2], query, body)
        if path.startswith("/api/exceptions"):
            return self._exceptions(method, query, body)
        if path.startswith("/api/billing"):
            return self._billing(method, path, query, body)
        if path.startswith("/api/jobs/"):
            return self._job(path.removeprefix("/api/jobs/"))
        if path == "/api/trial/checks" and method == "POST":
            return self._new_job()
        if path.startswith("/api/trial"):
            return self._trial(path)
        answers: dict[str, Callable[[], Any]] = {
            "/api/status": self.status,
            "/api/meters": lambda: self.town.page(query),
            "/api/meters.csv": lambda: self.town.sheet(query),
            "/api/registry": self.town.registry,
            "/api/service-levels": lambda: service_levels(
                query.get("day") or YESTERDAY, self.levels, self.town.count
            ),
            "/api/day": lambda: day_report(query, self.day),
            "/api/day.csv": lambda: "first_day,last_day,scope\r\n2026-06-11,2026-06-11,utility\r\n",
            "/api/service-levels.csv": lambda: "day,table,name\r\n2026-06-11,bar,block-load\r\n",
        }
        if path in answers:
            return answers[path]()
        raise refused(404, "not-found", "There is nothing under this address.")

    def _trial(self, path: str) -> Any:
        if path == "/api/trial.csv":
            return "serial,verdict\r\nBJ10000001,pass\r\n"
        if self.trial == "none":
            raise refused(404, "no-trial", "No field trial is running.")
        return scorecard(self.towns.setdefault("trial", Town(TRIAL_METERS)), self.trial)

    def _exceptions(self, method: str, query: dict[str, str], body: Any) -> Any:
        if method == "GET":
            return self.queue.page(query, self.town)
        self._needs("work-exceptions")
        resolved = self.queue.resolve(body, self.town)
        if resolved < 0:
            raise refused(409, "count-changed", "Others are chosen now.")
        return {"resolved": resolved}

    def _billing(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        self._needs("read-billing")
        parts = path.removeprefix("/api/billing").strip("/").split("/")
        if parts == [""]:
            return link(self.billing)
        if parts[0] == "refused-rows":
            return refused_rows(query)
        if parts[0] == "decisions" and method == "POST":
            self._needs("decide-link")
            verdict = "pass" if self.billing == "passing" else "fail"
            return {
                "verdict": verdict,
                "decided_by": self.session,
                "decided_at": iso(NOW),
                "reason": body["reason"],
            }
        if parts[0] == "reconciliations" and parts[1] <= "2026-06-11":
            return reconciliation(parts[1], self.billing, query)
        if parts[0] == "usage-points" and parts[1].startswith("UP"):
            return preview() if parts[-1] == "preview" else point(parts[1])
        raise refused(404, "not-found", "There is no such thing.")

    def _needs(self, permission: str) -> None:
        if permission not in PERMISSIONS[self.session or "viewer"]:
            raise refused(403, "not-allowed")

    def _meter(self, meter_id: int, part: str | None, query: dict[str, str], body: Any) -> Any:
        if not 1 <= meter_id <= self.town.count:
            raise refused(404, "not-found", "There is no such meter.")
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
        if part is None:
            return self.town.detail(meter_id)
        if part == "curve":
            return self.town.curve(meter_id, query["day"])
        if part == "registers":
            return self.town.registers(meter_id, query["from"], query["to"])
        if part == "events":
            return self.town.events(offset, limit)
        if part == "contacts":
            return self.town.contacts(offset, limit)
        if part in ("data", "data.csv", "edits"):
            return self._data(meter_id, part, query, body)
        if self.session == "viewer":
            raise refused(403, "not-allowed")
        return self._new_job()

    def _data(self, meter_id: int, part: str, query: dict[str, str], body: Any) -> Any:
        if part != "edits":
            return self.data.day(meter_id, query) if part == "data" else data_sheet()
        self._needs("edit-readings")
        edited = self.data.edit(meter_id, body, self.session or "")
        if edited is None:
            raise refused(409, "value-changed", "Another value stands there now.")
        return edited

    def _new_job(self) -> dict[str, str]:
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = 0
        return {"job_id": job_id}

    def _job(self, job_id: str) -> dict[str, Any]:
        step = self.jobs[job_id]
        self.jobs[job_id] = min(step + 1, len(JOB_STEPS) - 1)
        state, progress = JOB_STEPS[step]
        failed = self.job_fails and state == "done"
        return {
            "job_id": job_id,
            "meter_id": 1,
            "state": "failed" if failed else state,
            "progress": progress,
            "rows": int(progress * 48),
            "detail": "no answer within 20 s" if failed else "",
            "kinds": ["instantaneous"],
            "asked_by": "operator",
            "asked_at": iso(NOW),
        }

    def status(self) -> dict[str, Any]:
        """The status line."""
        now = NOW + timedelta(seconds=(time.monotonic() - self.began_s) * min(self.speed, 1))
        return {
            "now": iso(now),
            "speed": self.speed,
            "town": "trial",
            "version": "0.1.0",
            "meters": self.town.count,
            "meters_heard_today": self.town.count,
            "readings_today": 18_211,
            "contacts_today": 3_120,
            "success_rate_today": 0.9931,
            "headends": [{"id": "head-end-1", "alive": self.headend_alive, "last_seen": iso(now), "lag_s": 4.0}],
            "alarms": self.alarms,
            "lag_s": 4.0,
        }

    # --- live feed --------------------------------------------------------------------------------------------

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await receive()
        if not self.live_open:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        if self.session is None:
            await send({"type": "websocket.close", "code": 4401})
            return
        feed = _Feed(self, send)
        pushing = asyncio.create_task(feed.push())
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                asked = json.loads(message["text"])
                if "window" in asked:
                    self.windows.append(asked["window"])
                if "subscribe" in asked:
                    self.subscriptions.append(asked["subscribe"])
                await feed.ask(asked)
        finally:
            pushing.cancel()

    def live_rows(self, topic: str, beat: int) -> list[dict[str, Any]]:
        """What a topic says at a beat."""
        if topic == "status":
            return [self.status()]
        return [self.live_row(int(topic.removeprefix("meter:")), beat)] if topic.startswith("meter:") else []

    def live_row(self, meter_id: int, beat: int) -> dict[str, Any]:
        """How a meter stands at a beat."""
        row = self.town.row(meter_id)
        if row["power_w"] is not None:
            row["power_w"] += beat * 7 % 60
        return {name: row[name] for name in LIVE}


class _Feed:
    """One connected page."""

    def __init__(self, room: MockControlRoom, send: Send) -> None:
        self._room = room
        self._send = send
        self._topics: list[str] = []
        self._numbers: dict[str, int] = {}
        self._window: list[int] = []

    async def ask(self, asked: dict[str, Any]) -> None:
        """Other topics, another window, or both; each begins with a snapshot."""
        self._topics = asked.get("subscribe", self._topics)
        self._window = asked.get("window", self._window)
        for topic in asked.get("subscribe", []):
            await self._frame(topic, 0, snapshot=True)
        if "window" in asked:
            self._numbers["window"] = self._numbers.get("window", 0) + 1
            await self._frame("window", 0, snapshot=True)

    async def push(self) -> None:
        """Changes, twice a second, until the room closes the feed."""
        beat = 0
        while self._room.live_open:
            await asyncio.sleep(0.5)
            beat += 1
            for topic in [*self._topics, *(["window"] if self._window else [])]:
                if topic == "status" or (topic.startswith(("meter:", "window")) and beat % 2 == 0):
                    self._numbers[topic] = self._numbers.get(topic, 0) + 1
                    if self._room.lose_a_frame and topic == "status":
                        self._room.lose_a_frame = False
                        continue
                    await self._frame(topic, beat)
        await self._send({"type": "websocket.close", "code": 1001})

    async def _frame(self, topic: str, beat: int, *, snapshot: bool = False) -> None:
        if topic == "window":
            rows = [self._room.live_row(meter, beat) for meter in self._window]
        else:
            rows = self._room.live_rows(topic, beat)
        frame = {"seq": self._numbers.get(topic, 0), "topic": topic, "rows": rows}
        if snapshot:
            frame["snapshot"] = True
        await self._send({"type": "websocket.send", "bytes": json.dumps(frame).encode()})


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


class Server:
    """The stand-in on a free port, in a thread of its own."""

    def __init__(self, room: MockControlRoom, port: int = 0) -> None:
        config = uvicorn.Config(
            room,
            host="127.0.0.1",
            port=port,
            log_level="error",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> str:
        """Serve; the address when it listens."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End."""
        self._server.should_exit = True
        self._thread.join(timeout=10)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8461)
    parser.add_argument("--town", choices=sorted(SIZES), default="trial")
    parser.add_argument("--trial", choices=("fail", "pass", "running", "none"), default="fail")
    asked = parser.parse_args()
    room = MockControlRoom(asked.town)
    room.trial = asked.trial
    print(f"http://127.0.0.1:{asked.port}  operator / {PASSWORD}")
    uvicorn.run(room, host="127.0.0.1", port=asked.port, log_level="warning", ws="websockets-sansio")


if __name__ == "__main__":
    main()
