"""JSON Schemas that can be trusted to judge: read strictly, checked, and shown to reject something.

Draft 2020-12 only, and self-contained: a `$ref` points into the same schema, so nothing is ever fetched or opened.
jsonschema by itself would fetch `http:` and `file:` references, take an unknown keyword (`requierd`) for no
constraint, and ignore `format`; each of these is refused here before a model is loaded.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # no stubs are published
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from harness.errors import BadSpec
from harness.metrics.strict_json import InvalidJson, parse_strict
from harness.types import Json

__all__ = ["load_schema", "parts", "refuse_vacuous", "validator"]

Schema = Mapping[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VOCABULARIES = [uri for uri in REGISTRY if uri.startswith("https://json-schema.org/draft/2020-12/meta/")]
_KNOWN = {"definitions", *(keyword for uri in _VOCABULARIES for keyword in REGISTRY.contents(uri)["properties"])}
_NESTED = {"additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"}
_NESTED |= {"unevaluatedItems", "unevaluatedProperties"}
_NESTED_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_NESTED_MAPS = {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
_UNSUPPORTED = {
    "format": "it is not asserted by default; write a `pattern` or an `enum`",
    "$id": "it changes what a reference means; leave it out",
    "$dynamicRef": "write a `$ref` to `#/$defs/...`",
    "$dynamicAnchor": "write a `$ref` to `#/$defs/...`",
}
_STAND_INS: tuple[Json, ...] = (None, True, 0, "", [], {})
_MUTATED = 10
_UNBOUNDED = r"(?:[*+]|\{\d*,\})"
_ELASTIC = r"(?:[^*+?{}|](?:[*+?]|\{\d*,\d*\})|\|)+"


def load_schema(source: Path | Mapping[str, Any]) -> Schema:
    """Read and check a schema.

    Args:
        source: a JSON file, or the schema itself.

    Raises:
        BadSpec: the file is missing or no strict JSON object; the schema is of another draft, ill-formed, has an
            unknown or unsupported keyword, a reference that leaves it or leads nowhere, or a pattern that does not
            compile or may take exponential time.
    """
    where = str(source) if isinstance(source, Path) else "schema"
    schema = _read(source) if isinstance(source, Path) else dict(source)
    if schema.get("$schema", _DIALECT) != _DIALECT:
        raise BadSpec(f"{where}: $schema must be {_DIALECT}")
    _refuse_ill_formed(where, schema)
    for path, part in parts(schema):
        _refuse_keywords(f"{where}{path}", part)
        _refuse_reference(f"{where}{path}", part, schema)
        for pattern in {*part.get("patternProperties", {}), part.get("pattern", "")}:
            _refuse_slow_pattern(f"{where}{path}", pattern)
    return schema


def validator(schema: Schema) -> Draft202012Validator:
    """A jsonschema validator for `schema` that resolves nothing outside it."""
    return Draft202012Validator(schema, registry=Registry())


def parts(schema: object, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema and every schema inside it, with where it is; data inside `enum`, `const` and so on is no schema."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword, value in schema.items():
        here = f"{path}/{keyword}"
        if keyword in _NESTED:
            yield from parts(value, here)
        elif keyword in _NESTED_LISTS and isinstance(value, list):
            for i, part in enumerate(value):
                yield from parts(part, f"{here}/{i}")
        elif keyword in _NESTED_MAPS and isinstance(value, dict):
            for name, part in value.items():
                yield from parts(part, f"{here}/{name}")


def refuse_vacuous(schema: Schema, golds: Sequence[Json]) -> None:
    """Refuse a schema that rejects a right answer, or takes a wrong one.

    Wrong answers are made from right ones: values of types that no gold answer has; and from objects, a key dropped
    that all of them have, a value replaced by one of another type, and a key added.

    Raises:
        BadSpec: with the gold answer that is rejected, or the wrong answer that is taken.
    """
    check = validator(schema)
    for gold in golds:
        error = next(check.iter_errors(gold), None)
        if error is not None:
            raise BadSpec(f"schema rejects the gold answer {_short(gold)}: {_short(error.message)}; mend one of them")
    for fault, mutant in _mutants(golds):
        if check.is_valid(mutant):
            raise BadSpec(f"schema takes a wrong answer, {_short(mutant)} ({fault}); constrain it further")


def _read(path: Path) -> dict[str, Any]:
    try:
        schema = parse_strict(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpec(f"{path}: the schema cannot be read ({error}); check the path") from None
    except InvalidJson as error:
        raise BadSpec(f"{path}: the schema is no strict JSON ({error.reason_code})") from None
    if not isinstance(schema, dict):
        raise BadSpec(f"{path}: the schema is no JSON object, so it constrains nothing")
    return schema


def _refuse_keywords(where: str, part: Schema) -> None:
    for keyword in part:
        if keyword in _UNSUPPORTED:
            raise BadSpec(f"{where}: keyword {keyword!r} is not supported: {_UNSUPPORTED[keyword]}")
        if keyword not in _KNOWN:
            near = difflib.get_close_matches(keyword, sorted(_KNOWN), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; remove it"
            raise BadSpec(f"{where}: unknown keyword {keyword!r} would be ignored{hint}")


def _refuse_ill_formed(where: str, schema: Schema) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadSpec(f"{where}#{error.json_path[1:]}: {_short(error.message)}") from None


def _refuse_reference(where: str, part: Schema, schema: Schema) -> None:
    """Refuse a reference out of the schema, one that leads nowhere, and a chain of references that never ends."""
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    seen: set[str] = set()
    target: Any = part
    while isinstance(target, dict) and isinstance(reference := target.get("$ref"), str):
        if not reference.startswith("#"):
            raise BadSpec(f"{where}: $ref {reference!r} leaves the schema; copy what it names into $defs")
        if reference in seen:
            raise BadSpec(f"{where}: $ref {reference!r} refers to itself; name a schema with a type")
        seen.add(reference)
        try:
            target = resolver.lookup(reference).contents
        except Unresolvable:
            raise BadSpec(f"{where}: $ref {reference!r} leads nowhere; check $defs") from None


def _refuse_slow_pattern(where: str, pattern: str) -> None:
    if _repeats_a_repeat(pattern):
        raise BadSpec(f"{where}: pattern {pattern!r} repeats a repeat and may take exponential time; write it flat")


def _repeats_a_repeat(pattern: str) -> bool:
    """Whether a group of nothing but quantified atoms, one of them unbounded, is repeated without bound: `(a+b?)*`.

    A heuristic: `(a+b)+` is harmless and passes, and so does `(a|a)+`, which is not. The deadline catches the rest.
    """
    flat = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\[^\[\]]", "x", pattern)).replace("(?:", "(")
    while group := re.search(rf"\(([^()]*)\)({_UNBOUNDED})?", flat):
        elastic = re.fullmatch(_ELASTIC, group[1]) and re.search(_UNBOUNDED, group[1])
        if elastic and group[2]:
            return True
        flat = f"{flat[: group.start()]}{'x+' if elastic or group[2] else 'x'}{flat[group.end() :]}"
    return False


def _mutants(golds: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    """Wrong answers, made from the first few right ones, each with what is wrong with it."""
    kinds = {_kind(gold) for gold in golds}
    yield from (("of another type", value) for value in _STAND_INS if _kind(value) not in kinds)
    objects = [gold for gold in golds if isinstance(gold, dict)]
    always = set[str].intersection(*map(set, objects)) if objects else set()
    for gold in objects[:_MUTATED]:
        for key, value in gold.items():
            other: Json = [] if isinstance(value, dict) else {"unexpected": []}
            yield f"{key!r} of another type", {**gold, key: other}
            if key in always:
                yield f"without {key!r}", {name: value for name, value in gold.items() if name != key}
        yield "with a key too many", {**gold, "unexpected": []}


def _kind(value: Json) -> str:
    """The JSON type."""
    return "number" if type(value) in (int, float) else type(value).__name__


def _short(value: object, length: int = 100) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}..."
