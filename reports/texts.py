"""Text that others wrote, made safe to look at: nothing invisible, nothing endless, differences marked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import sha256
from typing import Any, NamedTuple

__all__ = ["Clipped", "Segment", "anchor", "clip", "flat", "measure", "plain", "sentence", "visible", "word_diff"]

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_DIFF_WORDS = 600  # difflib is quadratic; beyond this a word diff helps nobody anyway
_CONTROL_PICTURES = 0x2400
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F


class Segment(NamedTuple):
    """A stretch of text; `changed` when the other side lacks it."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Clipped:
    """The first characters of a text, and how many more there are."""

    text: str
    left_out: int


def visible(text: str) -> str:
    r"""Replace every character that hides, reorders or controls by a glyph that shows it.

    Controls become control pictures (escape: `␛`), bidirectional marks, zero-width characters, separators and lone
    surrogates become `⟨U+202E⟩`. Newlines and tabs stay. The result always encodes as UTF-8.
    """
    return _UNSEEN.sub(_shown, text)


def clip(text: str, limit: int) -> Clipped:
    """Keep the first `limit` characters (> 0)."""
    return Clipped(text[:limit], max(0, len(text) - limit))


def word_diff(old: str, new: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Both texts as segments, those that only one of them has marked as changed.

    Concatenating the segments gives back each text. Texts of more than 600 words are not compared: each is one
    segment, marked when they differ at all.
    """
    left, right = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(left), len(right)) > _MAX_DIFF_WORDS:
        return (Segment(old, old != new),), (Segment(new, old != new),)
    old_parts: list[Segment] = []
    new_parts: list[Segment] = []
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for parts, words in ((old_parts, left[a:b]), (new_parts, right[c:d])):
            if words:
                parts.append(Segment("".join(words), tag != "equal"))
    return tuple(old_parts), tuple(new_parts)


def anchor(*parts: str) -> str:
    """An id for a link: `[a-z0-9-]` only, at most 64 a part; a part that had to be altered ends in its hash."""
    return "-".join(map(_slug, parts))


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON object in order, as dotted key and text."""
    for key, part in value.items():
        if isinstance(part, dict) and part:
            yield from flat(part, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", plain(part)


def measure(suite: str, metric: str) -> str:
    """How a metric of a suite is called on the page: `job_postings · valid_json`, or one word where both are alike."""
    return suite if suite == metric else f"{suite} · {metric}"


def sentence(text: str) -> str:
    """Begins with a capital and ends with a full stop, unless it begins with a name: `lr=1` stays."""
    first, _, rest = text.partition(" ")
    return f"{first[:1].upper() + first[1:] if first.isalpha() else first} {rest}".strip().removesuffix(".") + "."


def plain(value: Any) -> str:  # noqa: ANN401  # JSON
    """A JSON value in words: `none`, `yes`, the items of a list."""
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def _slug(part: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")[:48]
    if slug == part:
        return slug
    return f"{slug}-{sha256(part.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < _FIRST_PRINTABLE:
        return chr(_CONTROL_PICTURES + code)
    return "␡" if code == _DELETE else f"⟨U+{code:04X}⟩"
