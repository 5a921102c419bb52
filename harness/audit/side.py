"""All questions, or all answers, of the training rows, worked out once for everything that compares them."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.audit.signatures import signatures
from harness.audit.texts import Array, Vocabulary, WordRuns, normalised, shingles

__all__ = ["Side"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the rows. Texts that are equal when normalised are worked on once.

    Attributes:
        raw: (rows,) the texts as they are.
        texts: the different normalised ones, sorted, so that the order of the rows changes nothing.
        place: (rows,) the index of each row's text among `texts`.
        owners: for each of `texts` the indices of its rows, ascending.
        pieces: for each of `texts` its shingles.
        signed: (texts, permutations) their MinHash signatures.
    """

    raw: Sequence[str]
    texts: tuple[str, ...]
    place: tuple[int, ...]
    owners: tuple[tuple[int, ...], ...]
    pieces: tuple[Array, ...]
    signed: Array

    @classmethod
    def of(cls, raw: Sequence[str]) -> "Side":
        """Normalise, cut into shingles and sign."""
        plain = [normalised(text) for text in raw]
        texts = sorted(set(plain))
        index = {text: number for number, text in enumerate(texts)}
        place = [index[text] for text in plain]
        owners: list[list[int]] = [[] for _ in texts]
        for row, own in enumerate(place):
            owners[own].append(row)
        pieces = shingles(texts)
        return cls(raw, tuple(texts), tuple(place), tuple(map(tuple, owners)), tuple(pieces), signatures(pieces))

    def runs(self) -> tuple[WordRuns, Vocabulary]:
        """The words of `texts` as numbers, and the numbers of words."""
        vocabulary = Vocabulary()
        return WordRuns.of(self.texts, vocabulary), vocabulary
