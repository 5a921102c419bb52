"""Options that mean nothing, contradict each other, or name what is not there."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.playground import make_model
from tests.silent_pass.ways import ADAPTER, Area, Way, nothing, rule


def busy(root: Path) -> None:
    """A run directory with files in it that are not ours."""
    (root / "mine").mkdir()
    (root / "mine" / "thesis.txt").write_text("years of work")


def script(text: str) -> Callable[[Path], object]:
    """A script for the scripted backend, in a repository that leaves the choice of backend alone."""

    def apply(root: Path) -> None:
        (root / "script.json").write_text(text)
        (root / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')

    return apply


SCRIPTED = ("--backend", "scripted", "--model", "script.json")

WAYS = [
    Way("there is no such adapter", nothing, 4, "'nowhere' does not exist", ("--adapter", "nowhere")),
    Way("there is no such model", nothing, 4, "is no folder here and no Hub id", ("--model", "nowhere")),
    Way("there is no such suite", nothing, 4, "file or directory not found: nowhere", ("nowhere", *ADAPTER)),
    Way(
        "the adapter's folder is empty",
        lambda root: (root / "empty").mkdir(),
        4,
        "holds no adapter_config.json",
        ("--adapter", "empty"),
    ),
    Way("an option is misspelt", nothing, 4, "unrecognized arguments: --adpater", ("--adpater", "good")),
    Way("the limit is 0", nothing, 4, "'0' is no whole number of at least 1", (*ADAPTER, "--limit", "0")),
    Way(
        "reading on where no row is left out",
        nothing,
        4,
        "all rows are read already",
        (*ADAPTER, "--on-inconclusive", "extend"),
    ),
    Way(
        "a second judge without a first",
        nothing,
        4,
        "has no use without --judge",
        (*ADAPTER, "--second-judge", "embedded"),
    ),
    Way(
        "a cap for the day without a judge",
        nothing,
        4,
        "has no use without --judge",
        (*ADAPTER, "--judge-calls", "day=5"),
    ),
    Way("the limit is a word", nothing, 4, "'all' is no whole number", (*ADAPTER, "--limit", "all")),
    Way("the batch size is negative", nothing, 4, "'-1' is no whole number", (*ADAPTER, "--batch-size", "-1")),
    Way("the number format is unknown", nothing, 4, "invalid choice: 'float8'", (*ADAPTER, "--dtype", "float8")),
    Way("the quantisation is unknown", nothing, 4, "invalid choice: 'int3'", (*ADAPTER, "--quantization", "int3")),
    Way("the backend is unknown", nothing, 4, "invalid choice: 'vllm'", (*ADAPTER, "--backend", "vllm")),
    Way("MMLU moves with a branch", nothing, 4, "'main' is no commit", (*ADAPTER, "--mmlu-revision", "main")),
    Way(
        "MMLU has two sources",
        nothing,
        4,
        "give one source of MMLU",
        (*ADAPTER, "--mmlu-dir", "suites", "--mmlu-revision", "a" * 40),
    ),
    Way(
        "the way of prompting is unknown",
        nothing,
        4,
        "'oracle' is no way of prompting",
        (*ADAPTER, "--prompting", "oracle"),
    ),
    Way("the candidate is its own base", nothing, 4, "is the candidate itself", ("--base", "base")),
    Way(
        "the candidate is a copy of the base",
        lambda root: make_model(root / "copy", right=108),
        11,
        "answers as the base does",
        ("--base", "copy"),
    ),
    Way("an adapter beside a whole model", nothing, 4, "--base beside --adapter", (*ADAPTER, "--base", "good")),
    Way(
        "the same adapter is given twice, once bad",
        lambda root: make_model(root / "bad" / "good", right=60),
        1,
        "good-2",
        (*ADAPTER, "--adapter", "bad/good"),
    ),
    Way("checkpoints without an adapter", nothing, 4, "has no use without --adapter", ("--checkpoints",)),
    Way("checkpoints that are not there", nothing, 4, "checkpoints", (*ADAPTER, "--checkpoints")),
    Way(
        "training rows without a use",
        nothing,
        4,
        "has no use without --sweep or --checkpoints",
        (*ADAPTER, "--train-data", "base/rule.json"),
    ),
    Way("a ranking without a sweep", nothing, 4, "has no use without --sweep", (*ADAPTER, "--rank-by", "asks")),
    Way(
        "a base without any gate of its own, below its rate",
        rule("base", right=60),
        1,
        "exact_match>=0.8-base",
        ("-v",),
    ),
    Way("the run directory holds other files", busy, 4, "holds no readable plan.json", (*ADAPTER, "--run-dir", "mine")),
    Way(
        "the store is a file",
        lambda root: (root / "store").write_text("x"),
        4,
        "cannot be opened",
        (*ADAPTER, "--store", "store"),
    ),
    Way(
        "a script's key is misspelt",
        script(json.dumps({"anwsers": {}})),
        11,
        "a script is an object with the keys",
        SCRIPTED,
    ),
    Way("a script holds half a character", script('{"default": "\\ud83d"}'), 11, "half of a surrogate pair", SCRIPTED),
    Way("a script is torn", script('{"default": '), 11, "not readable as a script", SCRIPTED),
    Way("a script without answers", script("{}"), 1, "the required 80 % is ruled out", SCRIPTED),
    Way(
        "an adapter that says what the base says",
        script('{"default": "yes"}'),
        11,
        "its script says what the base's says",
        (*SCRIPTED, "--adapter", "script.json"),
    ),
]

AREA = Area("Options", "pytest suites --model base ...", WAYS)
