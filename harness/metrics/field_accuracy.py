"""Field accuracy: the share of an object's fields that are right, for seeing which field a model gets wrong."""

import json
from collections.abc import Sequence

from harness.errors import BadExamples, BadSpec
from harness.metrics import Judgement, Metric, per_example
from harness.metrics.exact_match import same_json
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Example, Json

__all__ = ["field_accuracy"]


def field_accuracy(fields: Sequence[str] | None = None) -> Metric:
    """Mean share of the target's fields whose values the answer gives exactly, in [0, 1].

    The answer must parse strictly and be an object, else 0. Keys that the target lacks cost nothing here; `exact_match`
    and a schema see those.

    Args:
        fields: which fields count, all in every target; by default those of each target.

    Reason codes: `ok`, `truncated`, `not_object`, `missing_key:<field>` or `wrong_value:<field>` (the first in order),
    and those of `InvalidJson`.

    Raises:
        BadSpec: `fields` is empty, a bare string, or names one twice.
    """
    if fields is not None and (isinstance(fields, str) or not fields or len(set(fields)) != len(fields)):
        raise BadSpec(f"field_accuracy(fields={fields!r}): give a list of different field names")
    chosen = None if fields is None else tuple(fields)

    def judge(example: Example, text: str) -> Judgement:
        return _judge(example, text, chosen)

    def refuse_unfit(examples: Sequence[Example]) -> None:
        for example in examples:
            _wanted(example, chosen)

    spec = {"fields": "all" if chosen is None else json.dumps(chosen)}
    return per_example("field_accuracy", judge, spec=spec, refuse_unfit=refuse_unfit)


def _judge(example: Example, text: str, fields: tuple[str, ...] | None) -> Judgement:
    wanted = _wanted(example, fields)
    try:
        value = parse_strict(text)
    except InvalidJson as error:
        return Judgement(0.0, "", error.reason_code)
    if not isinstance(value, dict):
        return Judgement(0.0, json.dumps(value, ensure_ascii=False), "not_object")
    faults = [
        f"{'wrong_value' if field in value else 'missing_key'}:{field}"
        for field, target in wanted.items()
        if field not in value or not same_json(target, value[field])
    ]
    answer = json.dumps(value, ensure_ascii=False)
    return Judgement(1 - len(faults) / len(wanted), answer, faults[0] if faults else "ok")


def _wanted(example: Example, fields: tuple[str, ...] | None) -> dict[str, Json]:
    """The fields that count, with their right values."""
    target = example.target
    if not isinstance(target, dict) or not target:
        raise BadExamples(f"example {example.id}: field_accuracy needs a target that is an object with fields")
    missing = [field for field in fields or () if field not in target]
    if missing:
        raise BadExamples(f"example {example.id}: the target lacks field {missing[0]!r} of field_accuracy")
    return {field: target[field] for field in fields or target}
