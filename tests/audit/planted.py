"""Plants each fault into clean rows and audits them. `python -m tests.audit.planted` prints how many are caught."""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from harness.audit import Request, audit
from harness.errors import HarnessError
from tests.audit.faults import CLEAN, FAULTS, REFUSED, Fault
from tests.audit.made import postings, write_rows, write_suites
from tests.tiny import make_tokenizer

__all__ = ["found_by"]


def found_by(fault: Fault, folder: Path, suites: Path, base: Path) -> list[Any]:
    """The findings of the fault's kind that name its rows, or the refusal."""
    clean = CLEAN[fault.clean]()
    wanted = dict(fault.request)
    data = write_rows(folder / f"train{wanted.pop('suffix', '.jsonl')}", fault.plant(clean))
    against = [suites]
    if split := {key: wanted.pop(key) for key in ("split", "split_cluster", "split_provenance") if key in wanted}:
        rows = [clean[index] for index in split.get("split", [])] or list(postings(5, seed=5))
        extra = {key.removeprefix("split_"): value for key, value in split.items() if key != "split"}
        against.append(write_rows(folder / "valid.jsonl", (row | extra for row in rows)))
    if chat := wanted.pop("template", None):
        base = folder / "base"
        make_tokenizer(chat_template=chat).save_pretrained(base)
    if production := wanted.pop("production", None):
        wanted["production"] = write_rows(folder / "production.jsonl", production(clean))
    try:
        seen = audit(Request(data, tuple(against), model=str(base), **wanted))
    except HarnessError as error:
        if fault.kind != REFUSED:
            raise
        return [error]
    own = [each for each in seen.findings if each.kind == fault.kind and set(fault.rows) <= set(each.rows)]
    return [each for each in own if not fault.how or each.how == fault.how]


def main() -> None:
    """Plant every fault, and print how many were caught as JSON."""
    caught: Counter[str] = Counter()
    missed = []
    with tempfile.TemporaryDirectory() as place:
        suites, base = write_suites(Path(place) / "suites"), Path(place) / "base"
        make_tokenizer().save_pretrained(base)
        for number, fault in enumerate(FAULTS):
            folder = Path(place) / str(number)
            folder.mkdir()
            try:
                found = found_by(fault, folder, suites, base)
            except HarnessError as error:
                found = []
                sys.stderr.write(f"{fault.name}: {error}\n")
            caught[fault.kind] += bool(found)
            missed += [] if found else [fault.name]
    planted = Counter(fault.kind for fault in FAULTS)
    report = {
        "planted": len(FAULTS),
        "caught": sum(caught.values()),
        "missed": missed,
        "by_kind": {k: f"{caught[k]} of {n}" for k, n in planted.items()},
    }
    sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
