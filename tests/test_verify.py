"""Verification of files that somebody damaged: never a traceback, and never PASS where a number was touched."""

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once

from harness import session
from harness.errors import BadRunDirectory
from harness.types import Outcome
from harness.verify import verify
from tests.playground import finished_run, make_model, make_suite, run_gate

pytest_plugins = "pytester"

FREE = {"environment", "seconds", "fresh", "attempts", "tried", "notes", "finished_at", "models", "trained", "store"}
"""What verification does not vouch for: it is not in the records, and no verdict rests on it."""


@pytest.fixture
def run_dir(pytester, monkeypatch):
    """A finished run of a `keep` suite on a base and a candidate, which verifies."""
    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(
        pytester.path,
        rows=120,
        gates='Gate("exact_match", max_drop=0.05)',
        extra='keep=passed_by_base("exact_match", at_least=80, repeats=3)',
    )
    make_model(pytester.path / "base", right=100)
    make_model(pytester.path / "good", right=110)
    assert run_gate(pytester, "--adapter", "good").ret == 0
    run_dir, _ = finished_run(pytester)
    assert verify(run_dir).outcome is Outcome.PASS
    return run_dir


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value; of long lists only the first entry."""
    if at:
        yield at
    entries = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from paths(inner, (*at, key))


def damaged(value: Any, at: tuple[Any, ...], with_what: Any) -> Any:
    """A copy in which the place holds something else, or is gone when `with_what` is `...`."""
    value = copy.deepcopy(value)
    place = value
    for key in at[:-1]:
        place = place[key]
    if with_what is ...:
        del place[at[-1]]
    else:
        place[at[-1]] = with_what
    return value


@pytest.mark.parametrize("name", ["run.json", "plan.json"])
@pytest.mark.parametrize("with_what", [..., None, [], "x", 7], ids=["gone", "null", "list", "text", "number"])
def test_damage_anywhere_is_noticed(run_dir, name, with_what):
    """Whatever value of plan or run is lost or replaced, the run is not accepted; only free fields may change."""
    file = run_dir / name
    whole = json.loads(file.read_text())
    for at in paths(whole):
        changed = damaged(whole, at, with_what)
        if changed == whole or FREE & set(at):
            continue
        file.write_text(json.dumps(changed))
        try:
            outcome = verify(run_dir).outcome
        except BadRunDirectory:
            continue
        assert outcome is not Outcome.PASS, at


@pytest.mark.parametrize("cut", [0, 1, 0.5, -2])
def test_truncated_files_are_noticed(run_dir, cut):
    """A torn plan, run or record is refused, or said to differ."""
    for file in [run_dir / "plan.json", run_dir / "run.json", *(run_dir / "records").iterdir()]:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * cut) if isinstance(cut, float) else cut])
        with contextlib.suppress(BadRunDirectory):
            assert verify(run_dir).outcome is Outcome.INVALID
        file.write_bytes(data)
    assert verify(run_dir).outcome is Outcome.PASS


def test_kept_rows_are_chosen_again(run_dir):
    """The rows of a `keep` suite must be those that its pool measurements choose."""
    import hashlib

    pool = run_dir / "records" / "asks--base.pool0.jsonl"
    pool.write_text(pool.read_text().replace('"value": 1.0', '"value": 0.0', 1))
    run = json.loads((run_dir / "run.json").read_text())
    run["receipt"]["records"][f"records/{pool.name}"]["sha256"] = hashlib.sha256(pool.read_bytes()).hexdigest()
    (run_dir / "run.json").write_text(json.dumps(run))
    assert any("its rows are not the 99 planned ones" in line for line in verify(run_dir).disagreements)
