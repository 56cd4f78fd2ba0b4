"""Errors as the API tells them: ``{error: kebab-code, detail: one sentence, fields?: {name: what is wrong}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from bijlighar.cim.exchange import Unavailable
from bijlighar.controlroom.protection import CSRF_TOKEN_WRONG

_LOG = structlog.get_logger(__name__)

_AnyRequest = Request[Any, Any, Any]

_BY_STATUS: dict[int, tuple[str, str]] = {
    400: ("not-valid", "The request cannot be understood."),
    401: ("not-signed-in", "Sign in first."),
    403: ("not-allowed", "Your role does not allow this."),
    404: ("not-found", "There is nothing under this address."),
    405: ("method-not-allowed", "This address does not answer to that method."),
    413: ("too-large", "The request is larger than this address takes."),
    415: ("not-valid", "This address takes JSON."),
    429: ("too-many-tries", "Too many tries; wait a little."),
    503: ("records-unavailable", "The records cannot be reached now; try again soon."),
}
_ALIASES = {"start": "from", "end": "to", "seen": "state"}
"""Parameters whose name in a query is a word that Python or Litestar keeps for itself."""
_CSRF_DETAIL = "CSRF token verification failed"


class Refusal(Exception):
    """The request is refused. ``status`` HTTP status, ``code`` kebab-case, ``detail`` one sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = dict(fields or {})
        self.retry_after_s = retry_after_s


def not_found(what: str) -> Refusal:
    """404: ``what`` is a noun such as "meter"."""
    return Refusal(404, "not-found", f"There is no such {what}.")


def not_valid(field: str, reason: str) -> Refusal:
    """400: one field is wrong."""
    return Refusal(400, "not-valid", f"The field {field} is not valid.", fields={field: reason})


def _answer(refusal: Refusal) -> Response[dict[str, Any]]:
    body: dict[str, Any] = {"error": refusal.code, "detail": refusal.detail}
    if refusal.fields:
        body["fields"] = refusal.fields
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
    return Response(body, status_code=refusal.status, headers=headers, media_type="application/json")


def _refusal(_: _AnyRequest, refusal: Refusal) -> Response[dict[str, Any]]:
    return _answer(refusal)


def _validation(_: _AnyRequest, problem: ValidationException) -> Response[dict[str, Any]]:
    fields = {
        _ALIASES.get(str(each.get("key", "body")), str(each.get("key", "body"))): str(
            each.get("message", "is not valid")
        )
        for each in (problem.extra if isinstance(problem.extra, list) else [])
        if isinstance(each, dict)
    }
    return _answer(Refusal(400, "not-valid", "The request is not valid.", fields=fields))


def _http(_: _AnyRequest, problem: HTTPException) -> Response[dict[str, Any]]:
    if problem.status_code == 403 and _CSRF_DETAIL in problem.detail:
        return _answer(Refusal(403, *CSRF_TOKEN_WRONG))
    code, detail = _BY_STATUS.get(problem.status_code, ("refused", "The request was refused."))
    return _answer(Refusal(problem.status_code, code, detail))


def _too_deep(_: _AnyRequest, __: RecursionError) -> Response[dict[str, Any]]:
    """JSON nested deeper than the decoder follows."""
    return _answer(Refusal(400, "not-valid", "The request is nested too deeply."))


def _unavailable(_: _AnyRequest, problem: Unavailable) -> Response[dict[str, Any]]:
    _LOG.warning("records unavailable", reason=problem.reason)
    return _answer(Refusal(503, *_BY_STATUS[503], retry_after_s=5))


def _unexpected(request: _AnyRequest, problem: Exception) -> Response[dict[str, Any]]:
    # The outer edge: logged with the route, never with the body, which may hold a password.
    _LOG.error("request failed", method=request.method, path=request.url.path, exc_info=problem)
    return _answer(Refusal(500, "internal-error", "Something went wrong here; it has been logged."))


def exception_handlers() -> ExceptionHandlersMap:
    """By exception class, for the application."""
    return {
        Refusal: _refusal,
        ValidationException: _validation,
        HTTPException: _http,
        Unavailable: _unavailable,
        RecursionError: _too_deep,
        Exception: _unexpected,
    }
