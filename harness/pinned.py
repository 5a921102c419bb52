"""Pinned cases: examples that a candidate once broke, kept with who asked for it and why, and waivers that expire.

One JSON object a line, written by `tunegate regression add` and `waive`, never by hand:

    {"id": "...", "input": "...", "output": ..., "system": "", "max_new_tokens": 128, "owner": "...", "reason": "...",
     "added": "2026-01-31", "origin": {"run": "...", "suite": "...", "model": "...", "fingerprint": "..."},
     "sha256": "...", "waiver": null | {"owner": "...", "reason": "...", "expires": "2026-03-01"}}

`sha256` is of everything but itself and the waiver, so that a case cannot drift.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from harness.atomic import write_atomically
from harness.errors import BadExamples, UsageProblem
from harness.fingerprint import digest
from harness.hold import BROKE, EXPIRED, PINNED, WAIVED
from harness.types import Example

__all__ = ["Case", "Origin", "Waiver", "read_cases", "today", "waiver", "write_cases"]

ONE_LINE = "give one line of 1 to 500 characters, so that a reader knows whom to ask"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\n\r]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Waiver(_Strict):
    """Why a broken case may pass for a while, who says so, and the last day of it."""

    owner: Text
    reason: Text
    expires: date


class Origin(_Strict):
    """Where a case was broken: run id, suite, candidate and its fingerprint."""

    run: str
    suite: str
    model: str
    fingerprint: str


class Case(_Strict):
    """One pinned example, with all that it takes to ask it again as it was asked."""

    id: Text
    input: Annotated[str, Field(min_length=1)]
    output: Any
    system: str
    max_new_tokens: Annotated[int, Field(ge=1)]
    owner: Text
    reason: Text
    added: date
    origin: Origin
    sha256: str = ""
    waiver: Waiver | None = None

    def sealed(self) -> "Case":
        """This case with its content hash filled in."""
        return self.model_copy(update={"sha256": self.content()})

    def content(self) -> str:
        """Hash of everything but the hash and the waiver."""
        return digest(self.model_dump(mode="json", exclude={"sha256", "waiver"}))

    def example(self, day: date) -> Example:
        """This case as a row of a suite on that day.

        Its tags say by whom it is pinned, in which run somebody first saw it broken, and what its waiver is worth.
        """
        said = (f"pinned by {self.owner}: {self.reason}", f"{BROKE}{self.origin.run}, pinned {self.added}")
        return Example(
            id=self.id,
            input=self.input,
            target=self.output,
            tags=(PINNED, *said, *filter(None, [self.standing(day)])),
            cluster=self.id,
        )

    def standing(self, day: date) -> str:
        """The waiver in words, as of a day; empty without one."""
        if self.waiver is None:
            return ""
        what = WAIVED if self.waiver.expires >= day else EXPIRED
        return f"{what}{self.waiver.expires} by {self.waiver.owner}: {self.waiver.reason}"


def today() -> date:
    """The day by which waivers are in force, the same for all who run the gate."""
    return datetime.now(UTC).date()


def waiver(owner: str, reason: str, expires: date) -> Waiver:
    """A waiver from the words of a command line.

    Raises:
        UsageProblem: no owner or no reason, or not each on one line.
    """
    try:
        return Waiver(owner=owner, reason=reason, expires=expires)
    except ValidationError as error:
        raise UsageProblem(f"--{error.errors()[0]['loc'][0]}: {ONE_LINE}") from error


def read_cases(path: Path) -> tuple[Case, ...]:
    """The pinned cases of a file, in order; none when there is no file.

    Raises:
        BadExamples: a line is no case, was edited by hand, or pins a case twice; the message starts with `file:line`.
    """
    if not path.exists():
        return ()
    cases: dict[str, Case] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        case = _case(f"{path}:{number}", line)
        if case.id in cases:
            raise BadExamples(f"{path}:{number}: pins {case.id} a second time; remove one of the lines")
        cases[case.id] = case
    return tuple(cases.values())


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Replace the file by these cases, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{_line(case)}\n" for case in cases).encode())


def _line(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json"), ensure_ascii=False)


def _case(where: str, line: str) -> Case:
    try:
        case = Case.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(map(str, first["loc"])) or "the line"
        raise BadExamples(
            f"{where}: is no pinned case: {what}: {first['msg']}; add it with tunegate regression"
        ) from error
    if case.sha256 != case.content():
        raise BadExamples(f"{where}: case {case.id} was edited after it was pinned; remove the line and add it again")
    return case
