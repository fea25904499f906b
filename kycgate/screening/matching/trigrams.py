"""Finds, among tens of thousands of texts, the few that share most letters with one.

Judges nothing: what it finds is laid side by side in `align`; what it does not find is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.intp]

# Letters, digits and the gap between words: 37 signs, so 37³ groups of three.
_SIGNS = 37
_GROUPS = _SIGNS**3
_WORTH = 0.3
"""Share of the best text's likeness below which a text is not worth a look."""
_CODES = np.zeros(256, dtype=np.int32)
for _place, _sign in enumerate(b"abcdefghijklmnopqrstuvwxyz0123456789", start=1):
    _CODES[_sign] = _place


class TrigramIndex:
    """Texts in plain lower-case Latin, found by their groups of three letters.

    Unchanged once built, so threads may share it. A group counts for more the rarer it is
    (inverse document frequency), and once per text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        groups, owners = _groups(texts)
        counts = np.bincount(groups, minlength=_GROUPS)
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        self._owners = owners
        weights = np.log((1.0 + self.size) / (0.5 + counts))
        self._weights = weights.astype(np.float32)
        squares = np.bincount(owners, weights=weights[groups] ** 2, minlength=self.size)
        self._norms = np.sqrt(np.maximum(squares, 1e-9)).astype(np.float32)

    def nearest(self, text: str, most: int) -> Numbers:
        """The numbers of the texts that share most with this one, best first."""
        if not self.size:
            return np.empty(0, dtype=np.intp)
        groups, _ = _groups([text])
        scores = np.zeros(self.size, dtype=np.float32)
        for group in groups.tolist():
            owners = self._owners[self._starts[group] : self._starts[group + 1]]
            scores[owners] += self._weights[group] ** 2
        scores /= self._norms
        # Selecting among all texts costs more than finding the few that share anything much.
        near = np.flatnonzero(scores > scores.max() * _WORTH)
        return near[np.argsort(-scores[near], kind="stable")[:most]]

    def alike(self, texts: Sequence[str], least: float) -> Iterator[Numbers]:
        """For each text, the numbers of those whose likeness (cosine) is `least` or more."""
        groups, owners = _groups(texts)
        order = np.argsort(owners, kind="stable")
        groups, weights = groups[order], self._weights[groups[order]] ** 2
        ends = np.cumsum(np.bincount(owners, minlength=len(texts))).tolist()
        every, sums = groups.tolist(), np.concatenate(([0.0], np.cumsum(weights, dtype=np.float64)))
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            scores = np.zeros(self.size, dtype=np.float32)
            for place in range(start, end):
                group = every[place]
                scores[self._owners[self._starts[group] : self._starts[group + 1]]] += weights[
                    place
                ]
            own = float(np.sqrt(sums[end] - sums[start]))
            yield np.flatnonzero(scores > (least * own) * self._norms)


def _groups(texts: Sequence[str]) -> tuple[Numbers, npt.NDArray[np.int32]]:
    """Every (group, text) once, in the order of groups: two arrays of one length."""
    raw = np.frombuffer((" " + "  ".join(texts) + " ").encode("ascii", "replace"), dtype=np.uint8)
    codes = _CODES[raw]
    groups = (codes[:-2] * _SIGNS + codes[1:-1]) * _SIGNS + codes[2:]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    # Each text owns the groups that begin at its leading gap and after, up to its last letter.
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), lengths + 2)[: len(groups)]
    # A group with the gap in its middle belongs to two words, or to two texts.
    whole = codes[1:-1] != 0
    keys = groups[whole].astype(np.int64) * max(1, len(texts)) + owners[whole]
    keys.sort()
    # `np.unique` hashes such keys, at eight times the price of sorting them.
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)]]
    found, owned = np.divmod(keys, max(1, len(texts)))
    return found.astype(np.intp), owned.astype(np.int32)
