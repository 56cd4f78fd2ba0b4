"""Finds words anywhere in the texts of many rows: one buffer of octets, looked through with numpy.

A word is compared octet by octet, beginning with the octet that is rarest in all texts, so that little is left to
compare after the first pass: some 20 ms for 300,000 rows of 70 octets.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEW_ROWS = 20_000
"""With no more rows left, the next word is looked for in each of them by itself."""

REMEMBERED = 16
"""Answers kept: a page that scrolls or renews asks the same again. A third of a megabyte each in a city."""

_BETWEEN = b"\n"
"""Stands between rows and fields; no word holds it."""

_PADDING_OCTETS = 512
"""Behind the last row: a word is at most so long, and no comparison leaves the buffer."""


class TextSearch:
    """Texts of rows, as folded by the caller. For one thread at a time."""

    def __init__(self, texts: Sequence[str]) -> None:
        rows = [text.encode() for text in texts]
        lengths = np.array([len(row) + 1 for row in rows], dtype=np.int64)
        self._starts: NDArray[np.int64] = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
        self._octets = _BETWEEN.join(rows) + _BETWEEN * (1 + _PADDING_OCTETS)
        self._buffer: NDArray[np.uint8] = np.frombuffer(self._octets, dtype=np.uint8)
        self._often = np.bincount(self._buffer, minlength=256)
        self._answers: OrderedDict[tuple[str, ...], NDArray[np.bool_]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._starts) - 1

    def rows_with(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """bool[row]: the row holds every word. Not to be written to."""
        key = tuple(words)
        found = self._answers.pop(key, None)
        if found is None:
            found = self._look(sorted((word.encode()[:_PADDING_OCTETS] for word in words), key=self._commonness))
        self._answers[key] = found
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return found

    def _commonness(self, word: bytes) -> int:
        """How often its rarest octet stands in all texts: a rare word leaves few rows for the next."""
        return min(int(self._often[octet]) for octet in word)

    def _look(self, words: Sequence[bytes]) -> NDArray[np.bool_]:
        rows: NDArray[np.intp] | None = None
        for word in words:
            if rows is not None and len(rows) <= FEW_ROWS:
                rows = rows[[word in self._row(row) for row in rows.tolist()]] if len(rows) else rows
            else:
                fresh = self._rows_of(word)
                rows = fresh if rows is None else np.intersect1d(rows, fresh, assume_unique=True)
        result = np.zeros(len(self), dtype=np.bool_)
        result[slice(None) if rows is None else rows] = True
        return result

    def _row(self, row: int) -> bytes:
        return self._octets[self._starts[row] : self._starts[row + 1]]

    def _rows_of(self, word: bytes) -> NDArray[np.intp]:
        """Rows that hold a word, ascending, each once."""
        rarest_first = sorted(range(len(word)), key=lambda place: self._often[word[place]])
        first = rarest_first[0]
        place = np.flatnonzero(self._buffer == word[first]) - first
        place = place[place >= 0]
        for other in rarest_first[1:]:
            place = place[self._buffer[place + other] == word[other]]
        rows = np.searchsorted(self._starts, place, side="right") - 1
        fresh = np.ones(len(rows), dtype=np.bool_)
        fresh[1:] = rows[1:] != rows[:-1]
        return rows[fresh]
