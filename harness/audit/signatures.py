"""Near duplicates without comparing all pairs: MinHash signatures, and buckets of texts that share a band of them.

A. Broder, On the resemblance and containment of documents, 1997; banding as in Leskovec, Rajaraman and Ullman, Mining
of Massive Datasets, chapter 3. The hash functions are datasketch's; buckets are worked through as arrays, because
templated data put thousands of texts into one.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.audit.texts import Array

__all__ = ["SIMILAR", "bands", "clusters", "jaccard", "pairs", "signatures"]

BANDS, WIDTH = 16, 8
"""Columns of a signature in bands: a pair of similarity s shares one with probability 1 - (1 - s^8)^16: 95 % at .8,
99 % at .85, 24 % at .6."""
SIMILAR = 0.8
"""Jaccard similarity of the sets of shingles from which on two texts are near duplicates. Estimated from 128 hashes, it
has a standard deviation of .035 there."""
_WORTH_A_LOOK = 0.6
_ROUNDS = 16
_PORTION = 50_000
_BLOCK = 200_000


def signatures(pieces: Sequence[Array]) -> Array:
    """(texts, 128) uint32: how often two rows of it agree estimates the similarity of the sets that they sign.

    They are those of datasketch's `MinHash(128, hashfunc=int)`, worked out for many texts at a time. The signature of a
    union is the smaller of both, column by column.

    Args:
        pieces: (n,) uint32, at least one for each text: its shingles.
    """
    from datasketch import MinHash

    factors, offsets = MinHash(num_perm=BANDS * WIDTH).permutations
    found = np.empty((BANDS * WIDTH, len(pieces)), np.uint32)
    for texts in _portions(pieces):
        sizes = [len(pieces[index]) for index in texts]
        starts = np.cumsum([0, *sizes[:-1]])
        mixed = _mixed(np.concatenate([pieces[index] for index in texts]))
        permuted = np.empty_like(mixed)
        for number, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
            np.multiply(mixed, factor, out=permuted)  # modulo 2^32
            np.add(permuted, offset, out=permuted)
            np.minimum.reduceat(permuted, starts, out=found[number, texts.start : texts.stop])
    return np.ascontiguousarray(found.T)


def _portions(pieces: Sequence[Array]) -> Iterator[range]:
    """Consecutive texts that have about as many shingles together as a processor's cache holds."""
    start, held = 0, 0
    for index, each in enumerate(pieces):
        held += len(each)
        if held >= _PORTION:
            yield range(start, index + 1)
            start, held = index + 1, 0
    if start < len(pieces):
        yield range(start, len(pieces))


def _mixed(hashes: Array) -> Array:
    """The last step of MurmurHash3, a bijection, which datasketch puts before its permutations."""
    mixed: Array = hashes ^ (hashes >> np.uint32(16))
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def bands(signed: Array) -> Array:
    """(texts, bands) uint64: texts that agree in one column are candidates to be alike."""
    parts = signed.reshape(len(signed), BANDS, WIDTH).astype(np.uint64)
    found = np.zeros(parts.shape[:2], np.uint64)
    for column in range(WIDTH):
        found = (found ^ parts[:, :, column]) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(31)
    return found


def clusters(signed: Array) -> Array:
    """(texts,) the index of the text that each one is a near duplicate of; its own when of none before it.

    Each member is alike its leader, so that chains of small steps do not run together. Of a bucket the first free text
    leads, and those that are not alike it go on without it, at most 16 times a band: where one bucket holds thousands
    of texts that are not alike, some near duplicates may stay apart.

    Args:
        signed: from `signatures`, in an order that depends on the texts alone, so that the result does too.
    """
    leader = np.arange(len(signed))
    leads = np.zeros(len(signed), bool)
    for band in bands(signed).T:
        waiting = np.flatnonzero(leader == np.arange(len(signed)))
        for _ in range(_ROUNDS):
            waiting = waiting[np.argsort(band[waiting], kind="stable")]
            first, size = _groups(band[waiting])
            if not (size > 1).any():
                break
            head = np.repeat(waiting[first], size)
            alike = (head != waiting) & ~leads[waiting] & _alike(signed, head, waiting)
            leader[waiting[alike]] = head[alike]
            leads[head[alike]] = True
            done = alike | (head == waiting) | np.repeat(size == 1, size)
            waiting = waiting[~done]
    return leader


def pairs(left: Array, right: Array, right_bands: Array) -> Array:
    """(pairs, 2) indices of texts of both sides that are perhaps alike, each pair once, ascending.

    Args:
        left: signatures of few texts.
        right: signatures of many.
        right_bands: `bands(right)`, worked out once for many calls.
    """
    found: list[Array] = []
    for own, other in zip(bands(left).T, right_bands.T, strict=True):
        order = np.argsort(own, kind="stable")
        low, high = (np.searchsorted(own[order], other, side) for side in ("left", "right"))
        hits = high - low
        many = np.repeat(np.arange(len(other)), hits)
        few = order[np.repeat(low, hits) + np.arange(len(many)) - np.repeat(np.cumsum(hits) - hits, hits)]
        for at in range(0, len(many), _BLOCK):
            one, two = few[at : at + _BLOCK], many[at : at + _BLOCK]
            close = (left[one] == right[two]).mean(axis=1) >= _WORTH_A_LOOK
            found.append(np.stack([one[close], two[close]], axis=1))
    return np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), np.int64)


def jaccard(one: Array, other: Array) -> float:
    """The similarity of two sets of shingles, in [0, 1]; 0 when both are empty."""
    left, right = np.unique(one), np.unique(other)
    shared = len(np.intersect1d(left, right, assume_unique=True))
    every = len(left) + len(right) - shared
    return shared / every if every else 0.0


def _groups(ordered: Array) -> tuple[Array, Array]:
    """Where each run of equal values begins, and its length."""
    if not len(ordered):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return first, np.diff(np.append(first, len(ordered)))


def _alike(signed: Array, one: Array, other: Array) -> Array:
    found = np.zeros(len(one), bool)
    for at in range(0, len(one), _BLOCK):
        part = slice(at, at + _BLOCK)
        found[part] = (signed[one[part]] == signed[other[part]]).mean(axis=1) >= SIMILAR
    return found
