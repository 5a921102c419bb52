"""Texts as they are compared: normalised, as words, and as runs of words or characters that are numbers.

Everything that looks at many rows works on arrays, because 100,000 rows are 20 million characters.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["Array", "Vocabulary", "WordRuns", "normalised", "run_hashes", "shingles", "words"]

Array = np.ndarray[Any, Any]

_WORD = re.compile(r"\w+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplying by it loses nothing modulo 2^64: the golden ratio's fraction (Knuth, TAOCP 3, 6.4)."""
_CHARACTER_BASE = np.uint32(0x9E3779B1)
SHINGLE = 5
"""Characters of a shingle."""


@lru_cache(maxsize=1 << 18)
def normalised(text: str) -> str:
    """NFKC, case folded, without invisible characters, runs of white space made one space, ends stripped."""
    plain = text if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(plain.casefold().split())


def words(text: str) -> list[str]:
    """The words of a normalised text: runs of letters and digits, so that punctuation is nothing."""
    return _WORD.findall(text)


class Vocabulary:
    """Numbers for words, the same number for the same word."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def ids(self, text: str) -> list[int]:
        """A number for each word of a normalised text."""
        ids = self._ids
        return [ids.setdefault(word, len(ids)) for word in _WORD.findall(text)]


@dataclass(frozen=True, slots=True)
class WordRuns:
    """Many texts as word numbers, one after the other.

    Attributes:
        ids: (words of all texts,) int64.
        starts: (texts + 1,) where each text begins; the last one is where all end.
    """

    ids: Array
    starts: Array

    @classmethod
    def of(cls, texts: Iterable[str], vocabulary: Vocabulary) -> "WordRuns":
        """Number the words of normalised texts."""
        every: list[int] = []
        starts = [0]
        for text in texts:
            every.extend(vocabulary.ids(text))
            starts.append(len(every))
        return cls(np.array(every, dtype=np.int64), np.array(starts, dtype=np.int64))

    def owners(self) -> Array:
        """(words,) the index of the text that each word is of."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def runs(self, length: int) -> tuple[Array, Array]:
        """Hashes of all runs of `length` words that lie within one text, and where each one begins."""
        if len(self.ids) < length:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        hashes = run_hashes(self.ids, length)
        ends = np.repeat(self.starts[1:], np.diff(self.starts))[: len(hashes)]
        at = np.arange(len(hashes))
        inside = at + length <= ends
        return hashes[inside], at[inside]


def run_hashes(ids: Array, length: int) -> Array:
    """(n,) word numbers to (n - length + 1,) 64-bit hashes of runs; equal runs have equal hashes.

    A polynomial in an odd base over mixed numbers, modulo 2^64. Two different runs of a million collide with a
    probability of about one in 40 million; whatever is found is looked at again word by word where it matters.
    """
    mixed = (ids.astype(np.uint64) + np.uint64(1)) * _BASE
    mixed ^= mixed >> np.uint64(29)
    count = len(ids) - length + 1
    found = np.full(count, np.uint64(length))
    for offset in range(length):
        found = found * _BASE + mixed[offset : offset + count]
    return found ^ (found >> np.uint64(32))


def shingles(texts: Sequence[str]) -> list[Array]:
    """32-bit hashes of each normalised text's runs of 5 characters, repeats included; a short text is one run."""
    padded = [text if len(text) >= SHINGLE else text.ljust(SHINGLE) for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if not padded:
        return []
    count = len(codes) - SHINGLE + 1
    found = np.zeros(count, np.uint32)
    for offset in range(SHINGLE):
        found = found * _CHARACTER_BASE + codes[offset : offset + count]
    starts = np.cumsum([0, *(len(text) for text in padded)])
    return [found[start : end - SHINGLE + 1] for start, end in pairwise(starts.tolist())]
