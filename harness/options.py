"""The options of `pytest suites/`: declared once, checked as they are read, turned into models and a backend."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.answers import AUTO
from harness.backends import Backend
from harness.converters import (
    commit,
    existing,
    fewshot,
    folder,
    named_file,
    positive,
    prompting_kinds,
    reference,
    task_names,
)
from harness.errors import UsageProblem
from harness.judge.options import add_judge_options
from harness.option_groups import GROUPS, group_of
from harness.prompting import REFERENCE, prompted_models
from harness.sweep_options import add_sweep_options
from harness.types import Json, ModelRef

if TYPE_CHECKING:  # pytest is the caller; the command line works without it
    import pytest

__all__ = ["BASE_NAME", "QUANTIZATIONS", "Options", "add_options", "make_backend", "models", "prompted"]

BASE_NAME = "base"
LISTS = ("adapter", "sweep", "prompting", "data", "lm_eval")
"""Options that hold several values."""
NEEDED = {
    "checkpoints": ("adapter",),
    "halving": ("sweep",),
    "no_pack": ("sweep",),
    "train_config": ("sweep",),
    "train_data": ("sweep", "checkpoints"),
    "rank_by": ("sweep",),
}
"""Options that are of no use without any of some others."""
QUANTIZATIONS = ("none", "int8", "nf4", "fp4", "nf4-single", "fp4-single")
"""How a base may be held in memory; the trainers write the same words into what they make."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line; see `add_options` for the meaning of each."""

    model: str
    adapter: tuple[str, ...]
    checkpoints: bool
    fresh_base: bool
    base: str | None
    backend: str
    dtype: str
    quantization: str
    sweep: tuple[str, ...]
    halving: str | None
    no_pack: bool
    train_config: str | None
    train_data: str | None
    rank_by: str | None
    prompting: tuple[str, ...]
    reference: str | None
    data: tuple[tuple[str, str], ...]
    lm_eval: tuple[str, ...]
    device: str
    batch_size: int
    limit: int | None
    mmlu_dir: str | None
    mmlu_revision: str | None
    mmlu_fewshot: int
    judge: str | None
    judge_questions: str | None
    on_inconclusive: str
    attempts: str
    run_dir: Path | None
    store: Path

    @classmethod
    def read(cls, values: Callable[[str], object]) -> "Options":
        """Collect the options by name, as `config.getoption` gives them.

        Raises:
            UsageProblem: two options contradict each other, or one is of no use without another.
        """
        found = {field.name: values(f"tunegate_{field.name}") for field in fields(cls)}
        lists: dict[str, object] = {name: tuple(found[name] or ()) for name in LISTS}  # type: ignore[arg-type]  # argparse has no types
        options = cls(**found | lists)  # type: ignore[arg-type]  # argparse has no types
        _refuse_contradictions(options)
        return options

    def spec(self) -> dict[str, Json]:
        """What enters the plan: everything but where the run and the store lie, and what follows from the outcome."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        lists: dict[str, Json] = {name: list(values.pop(name)) for name in LISTS}
        lists["data"] = dict(self.data)
        left = {"run_dir", "store", "on_inconclusive"}
        return {name: value for name, value in values.items() if name not in left} | lists


def add_options(parser: "pytest.Parser") -> None:
    """Declare every option, in the groups of `GROUPS`."""
    groups = {title: parser.getgroup(f"tunegate {title}", f"tunegate: {title}") for title in GROUPS}

    def add(name: str, **settings: object) -> None:
        group = groups[group_of(name)]
        group.addoption(f"--{name}", dest=f"tunegate_{name.replace('-', '_')}", **settings)

    add(
        "model",
        default="embedded",
        metavar="REF",
        type=reference,
        help="base model: `embedded` (default), a folder, or a Hub id with optional @revision",
    )
    add(
        "adapter",
        action="append",
        metavar="DIR",
        type=existing,
        help="LoRA adapter to judge against the base; repeat it for several candidates (default: none, "
        "the base is measured by itself)",
    )
    add(
        "checkpoints",
        action="store_true",
        help="measure also what each --adapter was along its training, one row for each DIR/checkpoints/step-*; the "
        "gates decide about the adapter alone (default: off)",
    )
    add(
        "fresh-base",
        action="store_true",
        help="measure the base again, whatever --store holds of it; what is computed takes its place (default: off)",
    )
    add_sweep_options(add)
    add(
        "prompting",
        default=(),
        metavar="KIND,KIND",
        type=prompting_kinds,
        help="measure the base with other prompting beside the candidates: few-shot (worked examples), constrained "
        "(decoding held to the suite's JSON schema), context (retrieved text before each question) (default: none)",
    )
    add(
        "reference",
        default=None,
        metavar="URL#MODEL",
        help="a model behind an OpenAI-compatible endpoint, measured and shown beside the candidates, never judged; "
        "its key comes from OPENAI_API_KEY (default: none)",
    )
    add(
        "data",
        action="append",
        metavar="NAME=PATH",
        type=named_file,
        help="data from outside for the suites that read it, such as gsm8k=test.jsonl, or a folder of a task's splits;"
        " repeat it for several (default: none)",
    )
    add(
        "lm-eval",
        default=(),
        metavar="TASK,TASK",
        type=task_names,
        help="measure tasks of lm-eval too, by name or by a YAML file without code, such as arc_easy,arc_challenge "
        "(default: none)",
    )
    add(
        "base",
        default=None,
        metavar="REF",
        type=reference,
        help="base to compare with when --model is itself the candidate (merged or fully fine-tuned) "
        "(default: none, --model is the base)",
    )
    add(
        "backend",
        default="hf",
        choices=("hf", "scripted"),
        help="what answers: hf (transformers, default) or scripted (answers from a file, for trying out suites)",
    )
    add(
        "dtype",
        default=AUTO,
        choices=(AUTO, "float32", "bfloat16", "float16"),
        help="number format of the weights; auto (default) is float32 on a CPU and bfloat16 on a GPU",
    )
    add(
        "quantization",
        default="none",
        choices=QUANTIZATIONS,
        help="load the base quantised by bitsandbytes, as it was for training; -single leaves the scales of 4-bit "
        "weights exact (default: none)",
    )
    add(
        "device",
        default=AUTO,
        metavar="DEVICE",
        help="torch device such as cpu or cuda:0; auto (default) takes a GPU when there is one",
    )
    add("batch-size", default=64, type=positive, metavar="N", help="prompts answered together (default: 64)")
    add(
        "limit",
        default=None,
        type=positive,
        metavar="N",
        help="measure only N rows of each suite, seeded and stratified; the run is marked partial (default: all)",
    )
    add(
        "mmlu-dir",
        default=None,
        metavar="DIR",
        type=folder,
        help="MMLU as CSV files in DIR/dev and DIR/test instead of the suite's own questions (default: none)",
    )
    add(
        "mmlu-revision",
        default=None,
        metavar="SHA",
        type=commit,
        help="the real mmlu task from the Hub at this commit (40 hex digits) instead of the suite's own questions "
        "(default: none)",
    )
    add("mmlu-fewshot", default=0, type=fewshot, metavar="K", help="worked examples before each question (default: 0)")
    add_judge_options(add, existing=existing)
    add(
        "on-inconclusive",
        default="fail",
        choices=("fail", "warn", "extend"),
        help="whether a run that cannot decide ends with exit code 10 (fail, default), or is only said to (warn); "
        "extend reads the rows that --limit leaves out where those within it do not decide, at half the error a look",
    )
    add(
        "attempts",
        default="count",
        choices=("count", "spend"),
        help="what it means that candidates were measured on the same rows before: count (default) shows how many, "
        "spend decides about the m-th at 1/(m(m+1)) of the error, so that all together err as rarely as one",
    )
    add(
        "run-dir",
        default=None,
        type=Path,
        metavar="DIR",
        help="where plan, records, verdicts and report go (default: runs/<time>-<id>); an unfinished run is continued",
    )
    add(
        "store",
        default=Path(".tunegate"),
        type=Path,
        metavar="DIR",
        help="where answers are kept between runs, on a local disk (default: .tunegate)",
    )


def models(options: Options) -> tuple[ModelRef, ...]:
    """The base, then the candidates: each `--adapter`, or `--model` itself beside `--base`, or none."""
    shared = ModelRef(name=BASE_NAME, base="", quantization=options.quantization, dtype=options.dtype)
    base = _referred(shared, options.base or options.model)
    taken = {BASE_NAME}
    if options.base:
        return base, replace(_referred(shared, options.model), name=_name(options.model, taken))
    return base, *(replace(base, name=_name(folder, taken), adapter=folder) for folder in options.adapter)


def prompted(options: Options) -> tuple[ModelRef, ...]:
    """The base with each `--prompting`, and the `--reference`; measured, shown, and never a candidate."""
    beside = prompted_models(models(options)[0], options.prompting)
    if options.reference is None:
        return beside
    unknown = ModelRef(name=REFERENCE, base=options.reference, quantization="unknown", dtype="unknown")
    return *beside, replace(unknown, prompting=REFERENCE)


def make_backend(options: Options) -> Backend:
    """The backend that `--backend` names, and the endpoint of a `--reference`; loads nothing but code."""
    backend = _near_backend(options)
    if options.reference is None:
        return backend
    from harness.backends.endpoint import Beside, EndpointBackend

    return Beside(backend, EndpointBackend())


def _near_backend(options: Options) -> Backend:
    if options.backend == "scripted":
        from harness.backends.scripted import ScriptedBackend

        return ScriptedBackend(batch_size=options.batch_size)
    from harness.backends.hf import HfBackend

    return HfBackend(device=options.device, batch_size=options.batch_size)


def _refuse_contradictions(options: Options) -> None:
    if options.base and options.base == options.model:
        raise UsageProblem(f"--base {options.base}: is the candidate itself; give the candidate with --model")
    if options.base and options.adapter:
        raise UsageProblem("--base beside --adapter: give --model BASE --adapter DIR, or --base BASE --model CANDIDATE")
    if options.base and options.sweep:
        raise UsageProblem("--base beside --sweep: a sweep trains on --model; give --model BASE --sweep ...")
    for name, others in NEEDED.items():
        if getattr(options, name) and not any(getattr(options, other) for other in others):
            without = " or ".join(f"--{other}" for other in others)
            add = "--sweep rank=8,16" if "sweep" in others else "--adapter DIR with checkpoints/ in it"
            raise UsageProblem(f"--{name.replace('_', '-')}: has no use without {without}; add {add}")
    for path in map(Path, options.adapter if options.backend == "hf" else ()):
        if not (path / "adapter_config.json").exists():
            raise UsageProblem(f"--adapter {path}: holds no adapter_config.json; give the folder that PEFT saved")
    _refuse_odd_policies(options)
    if options.reference is not None:
        from harness.backends.endpoint import split_reference

        split_reference(options.reference)
    if options.mmlu_dir and options.mmlu_revision:
        raise UsageProblem("--mmlu-dir beside --mmlu-revision: give one source of MMLU")


def _refuse_odd_policies(options: Options) -> None:
    """Whoever looks twice, or spends error on one candidate after the other, has no sweep or trajectory beside it."""
    asked = {
        "--on-inconclusive extend": options.on_inconclusive == "extend",
        "--attempts spend": options.attempts == "spend",
    }
    others = {"--sweep": options.sweep, "--checkpoints": options.checkpoints}
    for policy in (policy for policy, given in asked.items() if given):
        if beside := [name for name, given in others.items() if given]:
            raise UsageProblem(f"{policy} beside {beside[0]}: that one reads all rows of all its models; drop one")
    if options.on_inconclusive != "extend":
        return
    if options.limit is None:
        raise UsageProblem("--on-inconclusive extend: all rows are read already; add --limit N to look at N rows first")
    if options.prompting:
        raise UsageProblem("--on-inconclusive extend beside --prompting: that one reads all rows; drop one")
    if not (options.adapter or options.base):
        raise UsageProblem("--on-inconclusive extend: there is no candidate to read on for; add --adapter DIR")


def _referred(model: ModelRef, text: str) -> ModelRef:
    if text == "embedded" or Path(text).exists():
        return replace(model, base=text)
    name, _, revision = text.partition("@")
    return replace(model, base=name, revision=revision or None)


def _name(path: str, taken: set[str]) -> str:
    """A readable name that is safe in file names and test ids, and new."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(path).resolve().name.lower()).strip("-")[:48] or "candidate"
    names: Sequence[str] = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name
