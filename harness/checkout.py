"""A run that was measured elsewhere, held against a checkout: are these its suites, its gates and its adapter?

`verify` shows that the verdicts follow from the records. This shows what they are verdicts about: that the suites and
gates of the plan are those of the suite files here, rows and all, that their metrics score the recorded answers as the
records say, and that the adapter is the folder here. Needs no model, because the layers of a suite are hashes of its
own words and rows.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.errors import HarnessError, UsageProblem
from harness.fingerprint import adapter_digest
from harness.pins import read_pins
from harness.plan import PlannedSuite, plan_suite
from harness.policy import policy
from harness.rescoring import readable, score_faults
from harness.runs import PLAN_FILE, RUN_FILE
from harness.suite import Measurable
from harness.suite_files import configured, read_suites

__all__ = ["Checkout", "Held", "hold_against"]

_ROWS, _GATES = ("full", "examples", "looks", "keep"), ("gates",)
_SPEC = ("version", "metrics", "chance")
_JUDGES = ("asked", "second")
_ELSEWHERE = ("data", "mmlu_dir", "mmlu_revision", "mmlu_fewshot", "judge_questions")
"""Options of a run that put other rows into a suite than its file names."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkout:
    """What lies here, and how far to follow the run.

    Attributes:
        suites: suite files or folders of them; when empty, suites are not held against anything.
        adapters: adapter folders, likewise.
        tasks: of lm-eval, that the run must have measured beside the suites, and no other.
        as_measured: take rows from where the run's options say (`--data`, `--mmlu-dir` ...). Else such a run is at
            fault, because whoever wrote the run chose these rows, not the suite files.
    """

    suites: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    tasks: tuple[str, ...] = ()
    as_measured: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it.

    Attributes:
        faults: a line for each thing that is not as it is here.
        believed: suites whose scores were not made again.
        policy: what the suites here make of `harness.policy`; empty where they cannot be compared with the run's.
    """

    faults: tuple[str, ...]
    believed: tuple[str, ...] = ()
    policy: str = ""


def hold_against(run_dir: Path, here: Checkout) -> Held:
    """Hold a run against what lies here; the run itself must verify first.

    Raises:
        UsageProblem: a suite file or an adapter folder cannot be read.
    """
    plan = json.loads((run_dir / PLAN_FILE).read_bytes())
    run = json.loads((run_dir / RUN_FILE).read_bytes())
    found: list[str] = []
    suites: Sequence[Measurable] = ()
    policy_here = ""
    if here.suites and not (moved := list(_chosen_elsewhere(plan["options"], here))):
        suites = read_suites(here.suites, here.tasks, plan["options"]["data"])
        ours = _planned_here(plan, suites)
        found += _suite_faults(run_dir, plan, run, ours)
        policy_here = _policy_here(plan, ours)
    elif here.suites:
        found += moved
    if policy_here and policy_here != plan["policy"]:
        found.append(f"policy: is {plan['policy'][:12]} in the run and {policy_here[:12]} by the suites here")
    if here.adapters:
        found += _adapter_faults(run, here.adapters)
    again = {suite["name"] for suite in plan["suites"] if suite["lm_eval"]}  # these `verify` scores by itself
    unread = tuple(suite.name for suite in suites if not readable(suite) and suite.name not in again)
    return Held(tuple(found), unread, policy_here)


def _chosen_elsewhere(options: Document, here: Checkout) -> Iterator[str]:
    """What the run's options chose, and nobody here asks for."""
    if more := [task for task in options["lm_eval"] if task not in here.tasks]:
        asked = ",".join([*here.tasks, *more])
        yield f"suites: the run measured --lm-eval {','.join(more)} too; if that is meant, add --lm-eval {asked}"
    moved = [name for name in _ELSEWHERE if options[name]]
    if moved and not here.as_measured:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in moved)
        yield f"suites: the run took rows from {names}, not from the suite files; see --as-measured"


def _suite_faults(
    run_dir: Path, plan: Document, run: Document, ours: Mapping[str, PlannedSuite | str]
) -> Iterator[str]:
    planned = {suite["name"]: suite for suite in plan["suites"]}
    for name in sorted(planned.keys() - ours.keys()):
        yield f"suites: the run measured {name!r}, which is not among the suites here"
    for name, asked in ours.items():
        if name not in planned:
            yield f"suites: {name!r} is here and the run did not measure it"
        elif isinstance(asked, str):
            yield f"suites: {name!r} cannot be read here: {asked}"
        else:
            faults = list(_unequal(planned[name], json.loads(json.dumps(asked.spec()))))
            yield from faults
            if not faults and readable(asked.suite):
                yield from score_faults(run_dir, run, asked.suite, asked.examples)


def _planned_here(plan: Document, suites: Sequence[Measurable]) -> dict[str, PlannedSuite | str]:
    """Each suite here by its name, with the rows that the run's options choose; or why they cannot be read."""
    planned = {suite["name"]: suite for suite in plan["suites"]}
    found: dict[str, PlannedSuite | str] = {}
    for suite in suites:
        if suite.name not in planned:
            found[suite.name] = "was not planned"
            continue
        there = planned[suite.name]
        try:
            asked = _as_asked(suite, plan, there)
            found[suite.name] = plan_suite(asked, plan["options"]["limit"], extend=there["first"] is not None)
        except HarnessError as error:
            found[suite.name] = str(error)
    return found


def _policy_here(plan: Document, ours: Mapping[str, PlannedSuite | str]) -> str:
    """What the suites here make of the run's policy; empty unless they are the run's by name, and all can be read."""
    specs = [json.loads(json.dumps(asked.spec())) for asked in ours.values() if not isinstance(asked, str)]
    names = [suite["name"] for suite in specs]
    same = sorted(names) == sorted(suite["name"] for suite in plan["suites"])
    return policy({**plan, "suites": specs}) if same else ""


def _as_asked(suite: Measurable, plan: Document, planned: Document) -> Measurable:
    """The suite with the rows and the judge that the run's options chose; that judge is only named, never asked."""
    suite = configured(suite, plan["options"])
    sit: Callable[..., Measurable] | None = getattr(suite, "judged", None)
    if sit is None or planned["judge"] is None:
        return suite
    first, second = (SimpleNamespace(name=name) if name else None for name in map(planned["judge"].get, _JUDGES))
    panel = SimpleNamespace(judge=first, second=second) if first else None
    return sit(panel, questions=plan["options"]["judge_questions"])


def _unequal(planned: Document, here: Document) -> Iterator[str]:
    name = planned["name"]
    for layer in dict.fromkeys([*planned["fingerprint"], *here["fingerprint"]]):
        ours, theirs = here["fingerprint"].get(layer, "none"), planned["fingerprint"].get(layer, "none")
        if ours != theirs:
            yield f"suites: layer {layer!r} of {name!r} is {theirs[:12]} in the run and {ours[:12]} here"
    for what, keys in (
        ("rows", _ROWS),
        ("gates", _GATES),
        ("version, metrics or chance", _SPEC),
        ("judge", ("judge",)),
    ):
        if any(planned[key] != here[key] for key in keys):
            yield f"suites: {what} of {name!r} are not those of the suite here{_both(what, planned, here)}"


def _both(what: str, planned: Document, here: Document) -> str:
    if what != "gates":
        return ""
    ran, ours = (", ".join(gate["text"] for gate in suite["gates"]) or "none" for suite in (planned, here))
    return f" (run: {ran}; here: {ours})"


def _adapter_faults(run: Document, folders: Sequence[Path]) -> Iterator[str]:
    deciding = {verdict["model"] for verdict in run["verdicts"] if not verdict["advisory"]}
    base, *others = run["models"]
    judged = {each["digests"].get("adapter"): each["name"] for each in others if each["name"] in deciding}
    for folder in folders:
        try:
            ours, pins = adapter_digest(folder), read_pins(folder)
        except (OSError, ValueError) as error:
            raise UsageProblem(f"--adapter {folder}: cannot be read as a PEFT adapter ({error})") from error
        if ours not in judged:
            names = ", ".join(judged.values()) or "none"
            yield f"adapter: {folder} is {ours[:12]}, and no candidate that the run decides about is ({names})"
        if pins is not None and pins.base_digest != base["digests"].get("weights"):
            yield f"adapter: {folder} was trained on another base than the run measured"
