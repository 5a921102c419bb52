"""What a judge said of each answer, read from the judgements of a run that the receipt vouches for."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import BadRunDirectory
from reports.document import Document, parse, read_bytes

__all__ = ["Opinion", "read_opinions"]

_TOLD = {"point": "grade", "repeat": "grade, asked again", "pair": "comparison"}


class Opinion(NamedTuple):
    """One reply of the judge: to which question, what it decided, and why, in its own words."""

    question: str
    decision: str
    reasons: str


def read_opinions(
    folder: Path, receipt: Mapping[str, Any]
) -> Mapping[tuple[str, str], Mapping[str, tuple[Opinion, ...]]]:
    """The judge's words by (suite, model), then by example id; planted answers are left out, being nobody's.

    Args:
        folder: the run directory.
        receipt: of its run.json; `judgements` names the files.

    Raises:
        BadRunDirectory: a file is missing, differs from the receipt, or holds lines of another kind.
    """
    found: dict[tuple[str, str], dict[str, tuple[Opinion, ...]]] = {}
    for name, value in receipt.get("judgements", {}).items():
        entry = Document(f"{folder / name}: receipt", value if isinstance(value, dict) else {})
        lines = found.setdefault((entry.text("suite"), entry.text("model")), {})
        for line in _lines(folder, name, entry):
            if line.text("kind") in _TOLD:
                item = line.text("item")
                lines[item] = (*lines.get(item, ()), _opinion(line))
    return found


def _lines(folder: Path, name: str, entry: Document) -> list[Document]:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadRunDirectory(f"{entry.where}: lies outside of the run directory; measure again into a new --run-dir")
    content = read_bytes(path)
    if sha256(content).hexdigest() != entry.text("sha256"):
        raise BadRunDirectory(f"{path}: differs from the receipt, so it was edited or cut; measure again")
    return [parse(line, f"{path}:{number}") for number, line in enumerate(content.split(b"\n")[1:], 2) if line]


def _opinion(line: Document) -> Opinion:
    kind, first, status = line.text("kind"), line.text("first"), line.text("status")
    scores = ", ".join(f"{name} {grade}" for name, grade in line.mapping("scores").items())
    winner = line.text("winner")
    if winner in ("A", "B"):
        winner = first if winner == "A" else {"candidate": "base"}.get(first, "candidate")
    decision = status if status != "ok" else scores or f"{winner or 'nothing'}" + ("" if winner == "tie" else " won")
    return Opinion(f"{_TOLD[kind]}{f', {first} shown first' if first else ''}", decision, line.text("reasons"))
