"""An audit as one JSON document: the file that other programs read."""

import json
from dataclasses import asdict
from pathlib import Path

from harness.audit.inspection import VERSION, Audit
from harness.outputs import write_output
from harness.types import Json

__all__ = ["as_json", "write_json"]


def write_json(found: Audit, path: Path) -> None:
    """Write the document.

    Raises:
        UsageProblem: `path` cannot be written.
    """
    text = json.dumps(as_json(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_output(path, text.encode())


def as_json(found: Audit) -> dict[str, Json]:
    """Everything, as JSON values; see docs/audit.md."""
    return {
        "schema_version": VERSION,
        "data": found.request.data.name,
        "data_sha256": found.data_sha256,
        "digest": found.digest,
        "outcome": "broken" if found.broken else "clean",
        "rows": len(found.rows),
        "lines": found.lines,
        "limits": dict(found.request.limits),
        "broken": {kind: {"rows": n, "limit": limit} for kind, (n, limit) in found.broken.items()},
        "counts": dict(found.counts),
        "distinct": asdict(found.distinct),
        "characters": {name: asdict(each) for name, each in found.characters.items()},
        "tokens": {name: asdict(each) for name, each in found.tokens.items()},
        "tokenizer": found.token_counts.tokenizer,
        "tokens_rendered": found.token_counts.rendered,
        "max_length": found.request.max_length,
        "truncated_share": found.beyond,
        "fields": [asdict(each) for each in found.fields],
        "tags": asdict(found.tags) if found.tags else None,
        "leakage": [
            {"suite": each.suite, "examples": each.examples, "leaked": each.leaked, "answers": each.answers}
            for each in found.leaks
        ],
        "schemas": [asdict(each) for each in found.schemas],
        "licence": found.licence,
        "parity": asdict(found.parity),
        "provenance": {name: list(each) for name, each in found.provenance.items()},
        "production": dict(found.production) if found.production else None,
        "difficulty": asdict(found.difficulty) if found.difficulty else None,
        "quality": asdict(found.quality) if found.quality else None,
        "review": [asdict(each) for each in found.review],
        "findings": [
            {"kind": each.kind, "rows": list(each.rows), "how": each.how, "message": each.message, **each.details}
            for each in found.findings
        ],
    }
