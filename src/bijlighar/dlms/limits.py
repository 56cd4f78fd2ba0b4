"""Every limit of this package, with its reason. A peer cannot make us hold, nest or count beyond these."""

from __future__ import annotations

from typing import Final

MAX_FRAME_OCTETS: Final = 0xFFFF
"""Payload of one wrapper frame: the length field has 16 bits (IEC 62056-47)."""

MAX_BUFFERED_OCTETS: Final = 1 << 20
"""Octets that may wait unparsed. DLMS is question and answer, so one frame is usual; a megabyte is several reads
of the largest size that an event loop makes, and the caller parses after each of them."""

FRAME_SLACK_OCTETS: Final = 256
"""What a frame may have beyond the negotiated PDU size: deployed meters count that size before ciphering (title,
header and tag are about 30 octets) or leave the block's own header out."""

MIN_PDU_OCTETS: Final = 64
"""A PDU below this has no room for the general-glo header, a block's header and any of the value."""

DEFAULT_MAX_PDU_OCTETS: Final = 1024
"""What we offer to receive: some 20 rows of block load, and every Indian meter seen accepts it."""

MAX_VALUE_OCTETS: Final = 1 << 21
"""One attribute value gathered from blocks. The largest honest one, 45 days of quarter hours in 18 columns of 9
octets, is 700 kB."""

MAX_BLOCKS: Final = 1 << 16
"""Blocks of one value: MAX_VALUE_OCTETS in blocks of 32 octets, smaller than any meter sends."""

MAX_DEPTH: Final = 16
"""Nesting of A-XDR arrays and structures. Profiles need 4, the deepest COSEM attribute (object list) 6."""

MAX_ELEMENTS: Final = 1 << 18
"""Values in one A-XDR buffer, all levels together: 45 days of quarter hours in 18 columns are 78,000."""

MAX_REFERENCES: Final = 256
"""Attributes or methods in one request with list: a whole meter's registers are some 60."""

MAX_STRING_OCTETS: Final = MAX_VALUE_OCTETS
"""One string: it cannot be longer than the value that holds it."""

MAX_APDU_FIELD_OCTETS: Final = 4096
"""One field of AARQ or AARE: the longest real ones, titles, challenges and the InitiateRequest, stay below 100."""

MAX_COUNTER: Final = 0xFFFFFFFF
"""Invocation counters have 32 bits. The last one may be used, and then the key must be changed."""
