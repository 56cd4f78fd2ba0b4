"""What a meter says without being asked for it: notifications, events, and that it refuses a service."""

from __future__ import annotations

from bijlighar.dlms.association.events import EventNotified, NotificationReceived, ServiceRefused
from bijlighar.dlms.notification import decode_event, decode_notification
from bijlighar.dlms.xdlms.results import (
    EXCEPTION_RESPONSE,
    decode_confirmed_service_error,
    decode_exception,
)


def notified(apdu: bytes) -> NotificationReceived:
    """A data-notification. Raises Malformed, Truncated."""
    notification = decode_notification(apdu)
    return NotificationReceived(notification.invoke_id, notification.instant, notification.octets)


def event_notified(apdu: bytes) -> EventNotified:
    """An event-notification-request. Raises Malformed, Truncated."""
    event = decode_event(apdu)
    return EventNotified(event.ref, event.instant, event.octets)


def service_refused(apdu: bytes) -> ServiceRefused:
    """An exception-response or a confirmed-service-error. Raises Malformed, Truncated."""
    exception = apdu[0] == EXCEPTION_RESPONSE
    return ServiceRefused(decode_exception(apdu) if exception else decode_confirmed_service_error(apdu))
