"""The client's side of one association: the head-end asks, the meter answers, one question at a time.

``open``, ``get``, ``set``, ``action`` and ``release`` queue octets; ``data_to_send`` gives them away. What comes
back goes into ``receive_data``, which only stores; ``next_event`` parses until something happened or nothing is
left. After NEED_DATA there may be new octets to send: a long value is asked for block by block.

An answer must carry the invoke-id of the one open question and, in blocks, the next number. A stale answer is a
RemoteProtocolError, not passed over: whoever gave up on a question closes the connection.

Nearly every visit goes the same course, which ``usual`` makes in few steps. As soon as a meter or a caller leaves
it, ``GeneralClient`` goes on from where the association stands; to the caller both are the same.

Over HDLC, give ``data_to_send`` the time, and call ``link.handle_timer`` when ``link.get_timer()`` is reached.
"""

from __future__ import annotations

from bijlighar.dlms.association.course import INVOKE, LONGEST_REQUEST_OCTETS, Course, course_of
from bijlighar.dlms.association.events import NEED_DATA, ClientEvent, NeedData
from bijlighar.dlms.association.general import GeneralClient
from bijlighar.dlms.association.questions import ActionQuestion, Question, SetQuestion
from bijlighar.dlms.association.settings import ClientSettings
from bijlighar.dlms.association.states import State
from bijlighar.dlms.association.usual import ASSOCIATING, CLOSED, GETTING, IDLE, OPEN, RELEASING, UsualClient
from bijlighar.dlms.axdr import Data
from bijlighar.dlms.link import Link
from bijlighar.dlms.xdlms import AttributeRef, MethodRef, Selection
from bijlighar.dlms.xdlms.blocks import Gathering
from bijlighar.dlms.xdlms.get import encode_get


class ClientAssociation(UsualClient):
    """One association under ``settings``; the other arguments, when given, stand in for theirs.

    ``heard`` the ``last_heard_counter`` of the association before, for a meter that counts on; -1 = not known.
    Raises LocalProtocolError for settings that cannot work.
    """

    __slots__ = ("_general",)

    def __init__(
        self,
        settings: ClientSettings,
        *,
        challenge: bytes | None = None,
        invocation_counter: int | None = None,
        counters_left: int | None = None,
        heard: int = -1,
    ) -> None:
        kept = settings.kept
        course: Course | None = kept[1] if len(kept) > 1 else course_of(settings)
        if challenge is None:
            challenge = settings.challenge
        if invocation_counter is None:
            invocation_counter = settings.invocation_counter
        if counters_left is None:
            counters_left = settings.counters_left
        self._general: GeneralClient | None = None
        if course is not None:
            super().__init__(settings, course, challenge, invocation_counter, counters_left, heard)
            return
        self._settings = settings
        self._general = GeneralClient(
            settings,
            challenge=challenge,
            invocation_counter=invocation_counter,
            counters_left=counters_left,
            heard=heard,
        )

    def _generally(self) -> GeneralClient:
        """The general machine, from here on the only one; it stands where we stood."""
        general = self._general
        if general is None:
            general = GeneralClient(
                self._settings,
                challenge=self._challenge,
                invocation_counter=self._counter,
                counters_left=self._end - self._counter,
                heard=self._earlier,
            )
            general.resume(
                self._state,
                meter_title=self._title,
                last_accepted=self._last_accepted,
                invoke=self._invoke,
                terms=self._terms,
                gathering=Gathering.of(self._pieces) if self._pieces else None,
                unsent=self._outgoing,
                unheard=self._octets,
            )
            self._general = general
        return general

    @property
    def link(self) -> Link:
        """What carries the APDUs."""
        return self._generally().link

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._state if self._general is None else self._general.state

    @property
    def next_invocation_counter(self) -> int:
        """The first invocation counter that has not been used."""
        return self._counter if self._general is None else self._general.next_invocation_counter

    @property
    def last_heard_counter(self) -> int:
        """The newest invocation counter that the meter proved to use; ``heard`` before any, -1 = none."""
        return self._last_accepted if self._general is None else self._general.last_heard_counter

    @property
    def meter_title(self) -> bytes:
        """The meter's system title as far as it is known."""
        return self._title if self._general is None else self._general.meter_title

    def open(self) -> None:
        """Ask for the association (AARQ)."""
        if self._general is not None or self._state is not IDLE or self._counter >= self._end:
            self._generally().open()
            return
        forms = self._course.forms
        self._state = ASSOCIATING
        value = self._challenge if forms.is_hls else self._course.password
        self._say(forms.aarq_head + value + forms.aarq_middle, forms.initiate)

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> None:
        """Ask for one attribute, or for some rows of it. Ends in GetSucceeded, GetFailed or ServiceRefused."""
        if self._general is None and self._state is OPEN and self._counter < self._end:
            invoke = (self._invoke + 1) & 0x0F
            request = encode_get(INVOKE | invoke, ref, selection)
            size = len(request)
            if size <= self._terms.octets and size <= LONGEST_REQUEST_OCTETS:
                self._invoke, self._state = invoke, GETTING
                self._say(self._course.forms.gets[size], request)
                return
        self._generally().get(ref, selection)

    def set(self, ref: AttributeRef, value: Data | bytes) -> None:
        """Write one attribute; ``value`` typed, or raw A-XDR octets. Ends in SetDone or ServiceRefused."""
        self.ask(SetQuestion(((ref, value),), listed=False))

    def action(self, ref: MethodRef, parameter: Data | bytes | None = None) -> None:
        """Invoke one method; ``parameter`` as for ``set``. Ends in ActionDone or ServiceRefused."""
        self.ask(ActionQuestion(((ref, parameter),), listed=False))

    def ask(self, question: Question) -> None:
        """Ask what ``get_list``, ``set_list`` or ``action_list`` made; each tells how it ends."""
        self._generally().ask(question)

    def release(self) -> None:
        """Ask for the end of the association (RLRQ). Ends in Released or ServiceRefused."""
        if self._general is not None or self._state is not OPEN or self._counter >= self._end:
            self._generally().release()
            return
        forms = self._course.forms
        self._state = RELEASING
        self._say(forms.rlrq_head, forms.initiate_again)

    def data_to_send(self, now: float | None = None) -> bytes:
        """What is to be sent at ``now``; given once. Without ``now`` no timer is started."""
        if self._general is not None:
            return self._general.data_to_send(now)
        outgoing = self._outgoing
        self._outgoing = b""
        return outgoing

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        if self._general is None and len(self._octets) + len(octets) <= self._course.forms.most_octets:
            self._octets += octets
        else:
            self._generally().receive_data(octets)

    def connection_lost(self) -> None:
        """The connection is gone. When an answer was awaited, ``next_event`` raises from now on."""
        self._generally().connection_lost()

    def next_event(self) -> ClientEvent | NeedData:
        """What happened next, or NEED_DATA. Raises RemoteProtocolError for the peer's faults, for good."""
        if self._general is not None:
            return self._general.next_event()
        frame = self._octets
        if not frame:
            return NEED_DATA
        event = self._hear(frame)
        if event is not None:
            self._octets = b""
            return event
        if self._state is CLOSED or self._course.forms.is_unfinished(frame):
            return NEED_DATA
        return self._generally().next_event()
