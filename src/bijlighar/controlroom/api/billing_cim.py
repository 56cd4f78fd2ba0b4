"""Master data of the billing server as signed IEC 61968-9 messages, answered with what became of each row."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, post

from bijlighar.controlroom.api.asking import room_of
from bijlighar.controlroom.api.billing import LARGEST_MESSAGE_OCTETS, MACHINE, signed
from bijlighar.controlroom.api.billing_described import TakesMasterData
from bijlighar.operations.billing_exchange.cim_master import read_master, refusal_of, reply_of
from bijlighar.operations.billing_exchange.intake import take_message
from bijlighar.operations.billing_exchange.json_form import MessageRefused
from bijlighar.records.billing_in import MessageContradicts

_XML = "application/xml"


@post(
    "/billing/cim",
    opt=MACHINE,
    status_code=200,
    request_max_body_size=LARGEST_MESSAGE_OCTETS,
    operation_class=TakesMasterData,
)
async def take_master_data(request: Request[Any, Any, Any]) -> Response[bytes]:
    """CustomerAccountConfig, UsagePointConfig or MasterDataLinkageConfig; the reply says OK, PARTIAL or FAILED."""
    body = await signed(request)
    room, wall_s = room_of(request), int(time.time())
    try:
        message = await room.in_thread(read_master, body)
        receipt = await room.in_thread(
            take_message,
            room.records,
            "accounts",
            message.message_id,
            message.rows,
            now_s=int(room.now()),
            tariffs=room.settings.tariffs_path,
        )
    except MessageRefused as refused:
        return Response(refusal_of(str(refused), wall_s), status_code=400, media_type=_XML)
    except MessageContradicts as refused:
        return Response(refusal_of(str(refused), wall_s), status_code=409, media_type=_XML)
    return Response(reply_of(message, receipt, wall_s), media_type=_XML)


HANDLERS = (take_master_data,)
