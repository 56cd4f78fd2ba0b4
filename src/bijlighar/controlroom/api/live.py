"""The live feed's WebSocket: frames out, subscriptions in. The door has checked the Origin before this."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect, WebSocketException

from bijlighar.controlroom.feed import FeedClient, TooManyClients, TopicRefused, parse_subscription
from bijlighar.controlroom.identity import identify
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.sessions import COOKIE

SESSION_CHECK_S = 20.0
"""A page of somebody who signed out elsewhere, or was disabled, is cut within this."""
SUBSCRIPTION_PAUSE_S = 0.05
"""Each subscription is answered with snapshots: a page that asks without end gets twenty a second."""
SEND_WITHIN_S = 20.0
"""A client whose line takes no octet for this long is gone."""

CLOSE_NOT_SIGNED_IN = 4401
CLOSE_NOT_ALLOWED = 4403
CLOSE_NOT_VALID = 4400
CLOSE_TRY_LATER = 1013
CLOSE_GOING_AWAY = 1001

_Socket = WebSocket[Any, Any, Any]


@websocket("/live", opt={"needs": Permission.ANYBODY})
async def live(socket: _Socket) -> None:
    """Follow topics: ``{"subscribe": ["meter:12", "trial", "status", "jobs"], "window": [12, 13]}``.

    ``window``: the meters that a page looks at, of a list of any length. ``meters``: all, of a small registry.

    Open to anybody at the guard, because a page must be told the reason in a close code, which needs acceptance.
    """
    room: ControlRoom = socket.app.state.room
    await socket.accept()
    refused = await _refused(room, socket)
    if refused is not None:
        await socket.close(code=refused)
        return
    try:
        client = room.hub.join()
    except TooManyClients:
        await socket.close(code=CLOSE_TRY_LATER, reason="too many pages are open")
        return
    try:
        code = await _serve(room, socket, client)
    finally:
        room.hub.leave(client)
    if code is not None:
        await _close(socket, code)


async def _refused(room: ControlRoom, socket: _Socket) -> int | None:
    session_id = socket.cookies.get(COOKIE)
    identity = await identify(room.sessions, room.records.people, session_id, touch=False)
    if identity is None:
        return CLOSE_NOT_SIGNED_IN
    return None if identity.may(Permission.READ_METERS) else CLOSE_NOT_ALLOWED


async def _serve(room: ControlRoom, socket: _Socket, client: FeedClient) -> int | None:
    """Run until one of the three ends; the close code, None when the client has gone by itself."""
    tasks = [
        asyncio.create_task(_send(socket, client)),
        asyncio.create_task(_receive(room, socket, client)),
        asyncio.create_task(_watch(room, socket)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: _Socket, client: FeedClient) -> int | None:
    while (frame := await client.next_frame()) is not None:
        try:
            await asyncio.wait_for(socket.send_bytes(frame), SEND_WITHIN_S)
        except (TimeoutError, WebSocketException, OSError):
            return None
    return CLOSE_TRY_LATER


async def _receive(room: ControlRoom, socket: _Socket, client: FeedClient) -> int | None:
    while True:
        try:
            message = await socket.receive_data(mode="text")
        except (WebSocketDisconnect, WebSocketException, KeyError):
            return None
        try:
            room.hub.ask(client, parse_subscription(message))
        except TopicRefused:
            return CLOSE_NOT_VALID
        await asyncio.sleep(SUBSCRIPTION_PAUSE_S)


async def _watch(room: ControlRoom, socket: _Socket) -> int:
    while True:
        await asyncio.sleep(SESSION_CHECK_S)
        refused = await _refused(room, socket)
        if refused is not None:
            return refused


async def _close(socket: _Socket, code: int) -> None:
    try:
        await socket.close(code=code)
    except (WebSocketException, RuntimeError):
        return  # the client closed first


HANDLERS = (live,)
