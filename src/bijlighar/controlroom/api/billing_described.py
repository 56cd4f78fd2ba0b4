"""How the link's messages are described for whoever writes a billing server: bodies, statements, the signature.

The rows' fields are those that ``operations.billing_exchange`` reads and writes; a test holds both to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.spec import OpenAPIMediaType, Operation, Parameter, PathItem, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from bijlighar.cim.accounts import AccountStatus
from bijlighar.operations.billing_exchange.signing import HEADER

_TEXT = Schema(type=OpenAPIType.STRING, min_length=1, max_length=200)
_DAY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE)
_INSTANT = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME, description="with an offset")
_PAISE = Schema(type=OpenAPIType.INTEGER, description="paise")
_WH = Schema(type=OpenAPIType.INTEGER, minimum=0, description="Wh")
_NUMBER = Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL], description="null: not known")


def _row(needed: dict[str, Schema], free: dict[str, Schema] | None = None) -> Schema:
    return Schema(type=OpenAPIType.OBJECT, properties={**needed, **(free or {})}, required=list(needed))


ROWS = {
    "answers": _row(
        {"key": _TEXT, "result": Schema(type=OpenAPIType.STRING, enum=["billed", "refused"])},
        {"bill_reference": _TEXT, "billed_wh": _WH, "amount_paise": _PAISE, "reason": _TEXT},
    ),
    "dues": _row(
        {"usage_point": _TEXT, "amount_paise": _PAISE, "as_of": _INSTANT, "reference": _TEXT}, {"due_day": _DAY}
    ),
    "payments": _row({"payment_id": _TEXT, "usage_point": _TEXT, "amount_paise": _PAISE, "paid_at": _INSTANT}),
    "accounts": _row(
        {"usage_point": _TEXT, "valid_from": _DAY, "as_of": _INSTANT},
        {
            "account": _TEXT,
            "name": _TEXT,
            "tariff": _TEXT,
            "sanctioned_load_w": Schema(type=OpenAPIType.INTEGER, minimum=1, description="W"),
            "status": Schema(type=OpenAPIType.STRING, enum=[each.value for each in AccountStatus]),
        },
    ),
}
"""A row of each kind of message."""

STATEMENT = _row(
    {
        "key": _TEXT,
        "revision": Schema(type=OpenAPIType.INTEGER, minimum=1),
        "usage_point": _TEXT,
        "first_day": _DAY,
        "last_day": _DAY,
        "meters": Schema(type=OpenAPIType.ARRAY, items=_TEXT, description="serials"),
        "import_wh": _WH,
        **dict.fromkeys(("import_vah", "export_wh", "export_vah", "demand_w", "power_factor_milli"), _NUMBER),
        "demand_start": Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], format=OpenAPIFormat.DATE_TIME),
        "band_wh": Schema(type=OpenAPIType.ARRAY, items=_WH, description="by time-of-day band"),
        "basis": Schema(type=OpenAPIType.STRING, enum=["registers", "blocks"]),
        **dict.fromkeys(("expected_slots", "missing_slots", "estimated_slots", "estimated_wh"), _WH),
        "determined": _INSTANT,
    }
)

SIGNATURE = Parameter(
    name=HEADER,
    param_in="header",
    schema=Schema(type=OpenAPIType.STRING, pattern="^t=[0-9]+,v1=[0-9a-f]{64}$"),
    description="HMAC-SHA-256 over t, a full stop and the body, in hexadecimal; t in epoch seconds, within 300 s.",
    required=True,
)


def _message(kind: str) -> Schema:
    return _row({"message_id": _TEXT, kind: Schema(type=OpenAPIType.ARRAY, items=ROWS[kind])})


def _body(schema: Schema, form: str = "application/json") -> RequestBody:
    return RequestBody(content={form: OpenAPIMediaType(schema=schema)}, required=True)


def _signed(operation: Operation, body: RequestBody) -> None:
    operation.request_body = body
    operation.parameters = [*(operation.parameters or []), SIGNATURE]


@dataclass
class TakesMessages(Operation):
    """A message of any kind, signed."""

    def __post_init__(self) -> None:
        """Say what the body is."""
        _signed(self, _body(Schema(one_of=[_message(kind) for kind in ROWS])))


@dataclass
class TakesMasterData(Operation):
    """An IEC 61968-9 message, signed."""

    def __post_init__(self) -> None:
        """Say what the body is."""
        _signed(self, _body(Schema(type=OpenAPIType.STRING), "application/xml"))


@dataclass
class GivesStatements(Operation):
    """How many are wanted, signed."""

    def __post_init__(self) -> None:
        """Say what the body is."""
        _signed(self, _body(_row({}, {"limit": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=500)})))


def webhooks() -> dict[str, PathItem]:
    """What is sent to the address that ``billing_url`` names."""
    schema = _row({"message_id": _TEXT, "statements": Schema(type=OpenAPIType.ARRAY, items=STATEMENT)})
    operation = Operation(
        summary="Statements of usage points",
        description="At least once; answered with 200 and ``answers``, or with 202 when they come later.",
    )
    _signed(operation, _body(schema))
    return {"statements": PathItem(post=operation)}
