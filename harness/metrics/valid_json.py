"""Valid JSON: the whole answer is one strict JSON value that a schema accepts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import NotMeasured
from harness.fingerprint import digest
from harness.metrics import Judgement, Metric, scored
from harness.metrics.guard import RECURSION, TIMEOUT, SchemaVerdict, verdicts
from harness.metrics.schemas import load_schema, refuse_vacuous
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.paths import beside_caller
from harness.types import Example, Generation, Json, Score

__all__ = ["InvalidJson", "parse_strict", "valid_json"]

_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*)\n```", re.DOTALL)
_INSTRUMENT_FAULTS = frozenset({TIMEOUT, RECURSION})


def valid_json(schema: str | Path | Mapping[str, Any], *, fenced: bool = False) -> Metric:
    """1 when the answer parses strictly and matches the schema, else 0; fenced or repaired JSON is not valid.

    Args:
        schema: a Draft 2020-12 schema, or its file, relative to the calling file.
        fenced: allow one Markdown code fence around the whole answer, for the base and the candidate alike. The metric
            is then called `valid_json_fenced`, so that it can stand beside the strict one and is never taken for it.

    Reason codes: `ok`, `truncated`, those of `InvalidJson`, `schema_error:<keyword>` with the place in `where`; and
    with no score, because it is the schema's fault, `schema_timeout` and `schema_recursion`.

    Raises:
        BadSpec: the schema cannot be trusted; see `load_schema`.
    """
    source = schema if isinstance(schema, Mapping) else beside_caller(schema)
    loaded = load_schema(source)
    return _ValidJson(loaded, "valid_json_fenced", fenced=True) if fenced else _ValidJson(loaded)


@dataclass(frozen=True, slots=True)
class _ValidJson:
    schema: Mapping[str, Any]
    name: str = "valid_json"
    version: int = 1
    chance: float = 0.0
    fenced: bool = False

    @property
    def spec(self) -> Mapping[str, str]:
        return {"name": self.name, "version": str(self.version), "schema": digest(dict(self.schema))}

    def refuse_unfit(self, examples: Sequence[Example]) -> None:
        refuse_vacuous(self.schema, [example.target for example in examples])

    def __call__(self, examples: Sequence[Example], generations: Sequence[Generation]) -> list[Score]:
        if len(examples) != len(generations):
            raise NotMeasured(f"metric {self.name!r}: {len(generations)} answers for {len(examples)} examples")
        return scored(self.name, generations, lambda complete: self._judge([generations[i].text for i in complete]))

    def _judge(self, texts: Sequence[str]) -> list[Judgement]:
        parsed = [_parse(_unfenced(text) if self.fenced else text) for text in texts]
        values = [value for value, fault in parsed if fault is None]
        reasons = iter(verdicts(self.schema, values))
        return [
            Judgement(0.0, "", fault) if fault is not None else _judgement(value, next(reasons))
            for value, fault in parsed
        ]


def _unfenced(text: str) -> str:
    """What stands inside a code fence around the whole text; else the text itself."""
    found = _FENCE.fullmatch(text.strip())
    return found[1] if found else text


def _parse(text: str) -> tuple[Json, str | None]:
    try:
        return parse_strict(text), None
    except InvalidJson as error:
        return None, error.reason_code


def _judgement(value: Json, said: SchemaVerdict) -> Judgement:
    answer = json.dumps(value, ensure_ascii=False)
    if said.reason in _INSTRUMENT_FAULTS:
        return Judgement(None, answer, said.reason)
    return Judgement(float(said.reason == "ok"), answer, *said)
