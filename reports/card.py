"""A model card for the Hub, made of a finished run that verifies: the verdict first, nothing that is not in it.

It is a function of the run directory alone, so whoever has that directory can make the card again and compare. Numbers
and outcomes enter it, and names that people gave; never what a model wrote, nor what it was asked.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness.atomic import write_atomically
from harness.errors import BadRunDirectory, UsageProblem
from harness.serving import served_by_vllm
from harness.types import ModelRef, Outcome, Verdict
from harness.verify import verify
from reports import numbers
from reports.headline import Banner, bounds, candidate_banner, rule
from reports.load import PlannedSuite, Result, Run, load
from reports.texts import clip, flat, visible

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

__all__ = ["make_card", "write_card"]

_MADE_BY = "<!-- tunegate card -->"
_SPECIAL = re.compile(r"([\\`*_\[\]<|~&@$]|:(?=\S)|(?<=www)\.)", re.IGNORECASE)
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LONGEST = 200
"""Characters shown of one value."""
_WORK = ("data_sha256", "rows", "replayed", "tokens", "trainable_parameters", "steps", "kept_step", "seconds")
"""What is shown of the trainer's own account."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one suite; `base` is None when the candidate is alone."""

    own: Result
    base: Result | None


@dataclass(frozen=True, slots=True)
class Card:
    """What the template lays out. Texts of the run are plain here, and made harmless where they are printed."""

    name: str
    run: Run
    model: ModelRef
    banner: Banner
    verdicts: tuple[Verdict, ...]
    measured: tuple[Measured, ...]
    suites: tuple[PlannedSuite, ...]
    base: str
    licence: str
    served: str
    training: tuple[tuple[str, str], ...]
    work: tuple[tuple[str, str], ...]
    digest: str

    @property
    def outcome(self) -> Outcome:
        """Of the run when it is about this candidate alone; else of the candidate's own gates."""
        return self.run.outcome if len(self.run.candidates) == 1 else self.banner.outcome

    @property
    def partial_reasons(self) -> str:
        """Why the run is partial, in its own words."""
        return "; ".join(map(str, self.run.plan["partial_reasons"]))

    @property
    def version(self) -> str:
        """Of tunegate, when it measured."""
        return str(self.run.environment.get("packages", {}).get("tunegate", "unknown"))


def make_card(run_dir: Path, model: str, name: str = "") -> str:
    """The card of one candidate, as Markdown with YAML in front.

    Args:
        run_dir: a finished run that verifies, whatever its outcome.
        model: name of a candidate of the run.
        name: `ORG/NAME` on the Hub; the candidate's own unless given.

    Raises:
        BadRunDirectory: the run is unfinished, or what it says does not follow from its records.
        UsageProblem: the run has no such candidate, or the name is none that the Hub takes.
    """
    _check_name(name)
    found = verify(run_dir)
    if found.disagreements:
        raise BadRunDirectory(f"{run_dir}: does not verify ({found.disagreements[0]}); no card is made of it")
    run = load(run_dir)
    names = [each.name for each in run.candidates]
    if model not in names:
        raise UsageProblem(f"--model {model}: is no candidate of {run_dir}; it has {', '.join(names) or 'none'}")
    card = _card(run, model, name or model)
    return f"---\n{_front_matter(card)}\n---\n\n{_MADE_BY}\n{_body(card)}"


def write_card(text: str, path: Path) -> None:
    """Write a card, whole or not at all; an earlier card is replaced, and no other file.

    Raises:
        UsageProblem: there is another file, or the place cannot be written.
    """
    try:
        if path.exists() and _MADE_BY not in path.read_text(encoding="utf-8"):
            raise UsageProblem(f"--out {path}: exists and is no card of tunegate; move it away or give another file")
        write_atomically(path, text.encode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--out {path}: cannot be written ({error}); give another file") from error


def _check_name(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, exported by its name only

    try:
        validate_repo_id(name or "name")
    except HFValidationError as error:
        raise UsageProblem(f"--name {visible(name)}: the Hub takes no such name; give ORG/NAME") from error


def _card(run: Run, model: str, name: str) -> Card:
    content = (run.folder / "run.json").read_bytes()
    said = {entry["name"]: entry for entry in json.loads(content)["models"]}
    entry, results = said[model], {(each.suite, each.model, each.metric): each for each in run.results}
    own = [each for each in run.results if each.model == model]
    work = entry.get("training") or {}
    return Card(
        name=name,
        run=run,
        model=next(each for each in run.models if each.name == model),
        banner=candidate_banner(run, model),
        verdicts=run.own_verdicts(model),
        measured=tuple(Measured(each, results.get((each.suite, run.base.name, each.metric))) for each in own),
        suites=tuple(suite for suite in run.suites if any(each.suite == suite.name for each in own)),
        base=_base(run.base),
        licence=str(said[run.base.name].get("licence") or ""),
        served=_served(entry),
        training=tuple(_config(entry["train_config"] or {})),
        work=tuple(flat({key: work[key] for key in _WORK if work.get(key) is not None}, "done.")),
        digest=sha256(content).hexdigest(),
    )


def _base(base: ModelRef) -> str:
    """A Hub id as it is; of a folder only its name, for the folders above may name a user."""
    return base.base if base.revision else Path(base.base).name


def _config(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The training configuration, but for the system prompt, which is text that a model reads."""
    for key, value in flat(config):
        hidden = key.rpartition(".")[2] == "system" and value
        yield key, f"{len(value)} characters, not shown" if hidden else value


def _served(entry: Mapping[str, Any]) -> str:
    if entry["adapter"] is None:
        return "yes, as the whole model that it is"
    shape = entry.get("adapter_config")
    return served_by_vllm(shape) if isinstance(shape, dict) else "not known: the run did not record adapter_config.json"


def _front_matter(card: Card) -> str:
    from huggingface_hub import ModelCardData

    on_hub = bool(card.run.base.revision and _HUB_ID.fullmatch(card.run.base.base))
    results = list(_eval_results(card))
    data = ModelCardData(
        base_model=card.run.base.base if on_hub else None,
        library_name="transformers" if card.model.adapter is None else "peft",
        pipeline_tag="text-generation",
        tags=["tunegate", f"tunegate-{_word(card)}", *(["lora"] if card.model.adapter else [])],
        model_name=card.name.rpartition("/")[2],
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _word(card: Card) -> str:
    return f"{card.outcome.value.lower()}{'-partial' if card.run.partial else ''}"


def _eval_results(card: Card) -> Iterator["EvalResult"]:
    """An entry for each metric that was measured whole; the table below says which ones were not."""
    from huggingface_hub import EvalResult

    layers = {suite.name: dict(suite.layers) for suite in card.suites}
    for own in (each.own for each in card.measured):
        if own.estimate is None:
            continue
        yield EvalResult(
            task_type="text-generation",
            dataset_type=own.suite,
            dataset_name=own.suite,
            dataset_args={"fingerprint": layers[own.suite]},
            metric_type=own.metric,
            metric_name=own.metric,
            metric_value=own.estimate.value,
            metric_args={"low": own.estimate.low, "high": own.estimate.high, "confidence": 0.95, "n": own.n},
        )


def _body(card: Card) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Markdown, where `_harmless` stands for autoescape
        loader=PackageLoader("reports", ""),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"bounds": bounds, "rule": rule, "estimate": _estimate, "count": numbers.count}
    return environment.get_template("card.md.j2").render(card=card, code=_code, passed=Outcome.PASS)


def _estimate(result: Result | None) -> str:
    if result is None:
        return "not measured"
    if result.estimate is None:
        return f"not measured: {result.unscored} of {result.n} rows have no score"
    seen = result.estimate
    return f"{numbers.percent(seen.value)} ({numbers.percent_interval(seen.low, seen.high)})"


def _code(words: str) -> Markup:
    """Text between backticks of the template, when nothing in it could end them."""
    return Markup(words if re.fullmatch(r"[\w .,;:/@=()-]*", words, re.ASCII) else "NAME")  # noqa: S704  # checked


def _harmless(value: Any) -> Any:  # noqa: ANN401  # whatever an expression of the template came to
    """The one gate between values and Markdown: one line, nothing hidden, all marks of Markdown and HTML escaped."""
    if value is None:
        raise TypeError("the card was about to print None: say what was not measured")
    if isinstance(value, Markup):
        return value
    clipped = clip(visible(str(value)).replace("\n", "␊").replace("\t", " "), _LONGEST)
    return _SPECIAL.sub(r"\\\1", clipped.text) + ("…" if clipped.left_out else "")
