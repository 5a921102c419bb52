"""Numeric match: the last number of the answer, or the one after `####`, equals the target's.

Written as GSM8K has it: reasoning, then `#### 18`. Both forms of ending are read, and the value alone is compared.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from harness.errors import BadExamples
from harness.metrics import Judgement, Metric, per_example
from harness.types import Example

__all__ = ["last_number", "numeric_match"]

_MARK = "####"
_NUMERAL = re.compile(
    r"(?P<sign>(?<![\w+\u2212-])[-+\u2212])?(?:[$€£¥](?P<inner>[-+\u2212])?)?"
    r"(?<![\w.])(?:(?P<whole>[0-9]+)\s+(?=[0-9]+\s?/\s?[0-9]))?"  # the 1 of 1 1/2
    r"(?P<top>[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+)?|\.[0-9]+)(?P<rest>(?:\s?/\s?[0-9]+(?:[.,][0-9]+)*)*)"
)
"""Everything that looks like a number, as long as it goes on; `_PLAIN` says which of them can be read one way only."""
_PLAIN = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(?:\.[0-9]+)?")


def numeric_match() -> Metric:
    """1 when the answer's number equals the target's exactly, as fractions and not as floats, else 0.

    The number is the first one after the last `####`; without that mark it is the last one of the text. Digits may be
    in groups of three by commas (`1,234,000`), may carry a sign, a currency sign before and any unit after, and may
    be a decimal, a fraction (`3/4`) or a mixed number (`1 1/2`). A unit changes nothing: `60 %` is 60, never 0.6, and
    `2 km` is 2. A hyphen after a letter or digit, or before a space, is no sign: `5-10` ends in 10. What can be read
    in two ways is no number: `1,5`, `1.000,50`, `1e5`, `1/2/3`. Nor are words (`twelve`), other scripts' digits, or
    digits inside a word (`H2O`).

    Reason codes: `ok`, `truncated`, `wrong_value`, `no_number`.
    """
    return per_example("numeric_match", _judge, refuse_unfit=_refuse_unfit)


def last_number(text: str) -> Fraction | None:
    """The number that a text ends in, see `numeric_match`; None when it ends in none."""
    _, mark, after = text.rpartition(_MARK)
    found = list(_NUMERAL.finditer(after if mark else text))
    if not found:
        return None
    return _value(found[0] if mark else found[-1])


def _value(numeral: re.Match[str]) -> Fraction | None:
    top, rest = numeral["top"], numeral["rest"].replace(" ", "").removeprefix("/")
    if not _PLAIN.fullmatch(top) or (rest and (not rest.isdecimal() or int(rest) == 0)):
        return None
    number = Fraction(top.replace(",", "")) / int(rest or 1) + int(numeral["whole"] or 0)
    minus = [sign for sign in (numeral["sign"], numeral["inner"]) if sign and sign != "+"]
    return -number if len(minus) == 1 else number


def _judge(example: Example, text: str) -> Judgement:
    number = last_number(text)
    if number is None:
        return Judgement(0.0, "", "no_number")
    right = number == last_number(str(example.target))
    return Judgement(float(right), _shown(number), "ok" if right else "wrong_value")


def _shown(number: Fraction) -> str:
    """As a reader would write it: whole, decimal where it ends soon, else a fraction."""
    text = f"{float(number):.10g}"
    return text if "e" not in text and "n" not in text and Fraction(text) == number else str(number)


def _refuse_unfit(examples: Sequence[Example]) -> None:
    for example in examples:
        if isinstance(example.target, bool) or last_number(str(example.target)) is None:
            raise BadExamples(
                f"example {example.id}: numeric_match needs a target that holds a number, not {example.target!r}"
            )
