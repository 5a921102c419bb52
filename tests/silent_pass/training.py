"""Trainings on nothing, of nothing, or with another recipe than was meant. `rows.jsonl` holds twelve rows."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.silent_pass.ways import Area, Way, edit

RECIPE = """model = "tiny"
data = "rows.jsonl"
steps = 2
max_length = 256
batch_size = 4
[lora]
rank = 2
alpha = 4
[optim]
learning_rate = 0.01
"""


def recipe(old: str, new: str) -> Callable[[Path], None]:
    """Change the recipe."""
    return lambda root: edit(root / "train.toml", old, new)


def key(text: str) -> Callable[[Path], None]:
    """Add a key on top of the recipe."""
    return recipe('model = "tiny"', f'{text}\nmodel = "tiny"')


def rows(text: str) -> Callable[[Path], object]:
    """Train on other rows."""
    return lambda root: (root / "rows.jsonl").write_text(text)


def row(**values: object) -> Callable[[Path], object]:
    """Train on one row."""
    return rows(json.dumps(values) + "\n")


def ended(root: Path) -> None:
    """Something else lies where the adapter should be."""
    (root / "out").mkdir()
    (root / "out" / "thesis.txt").write_text("years of work")


def idle(root: Path) -> None:
    """Train one step, of which the schedule makes nothing."""
    recipe("steps = 2", "steps = 1")(root)
    recipe("learning_rate = 0.01", 'learning_rate = 0.01\nschedule = "linear"\nwarmup = 0.99')(root)


def overflowing(root: Path) -> None:
    """Weights so large that the first loss is not finite."""
    from safetensors.torch import load_file, save_file

    file = root / "tiny/model.safetensors"
    save_file({name: tensor * 1e25 for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})


WAYS = [
    Way("a key is misspelt", recipe("rank = 2", "rnak = 2"), 2, "unknown key 'lora.rnak'; did you mean 'rank'?"),
    Way("a key is in the wrong table", key("learning_rate = 0.1"), 2, "unknown key 'learning_rate'"),
    Way("a value is a text", recipe("rank = 2", 'rank = "two"'), 2, "'lora.rank' = 'two'"),
    Way("the rank is 0", recipe("rank = 2", "rank = 0"), 2, "'lora.rank' = 0"),
    Way("the learning rate is 0", recipe("0.01", "0.0"), 2, "'optim.learning_rate' = 0.0"),
    Way("the learning rate is negative", recipe("0.01", "-0.01"), 2, "'optim.learning_rate' = -0.01"),
    Way("there are no steps", recipe("steps = 2", "steps = 0"), 2, "'steps' = 0"),
    Way("there are no epochs", recipe("steps = 2", "epochs = 0"), 2, "'epochs' = 0"),
    Way("rows are rehearsed, and none are given", key("replay_fraction = 0.2"), 2, "go together; give both or neither"),
    Way("the file is no TOML", recipe("[lora]", "[lora"), 2, "not valid TOML"),
    Way("the file is gone", lambda root: (root / "train.toml").unlink(), 2, "cannot be read"),
    Way("the file is axolotl's", key('base_model = "x"'), 2, "is written for axolotl"),
    Way("the rows are gone", lambda root: (root / "rows.jsonl").unlink(), 2, "rows.jsonl"),
    Way("the rows are empty", rows(""), 2, "rows.jsonl:1: holds no rows; there is nothing to train on"),
    Way("a row is torn", rows('{"input": "a", "outp'), 2, "rows.jsonl:1: not a JSON object"),
    Way("a line is blank", rows('{"input": "a", "output": "b"}\n\n'), 2, "rows.jsonl:2: not a JSON object"),
    Way("a row has other keys", row(text="a"), 2, "rows.jsonl:1: keys text; expected"),
    Way(
        "a row's answer is empty",
        row(input="a", output=""),
        2,
        "the answer is empty; the model would learn to say nothing",
    ),
    Way("a row's answer is NaN", rows('{"input": "a", "output": NaN}\n'), 2, "rows.jsonl:1"),
    Way("a row has a key twice", rows('{"input": "a", "output": "no", "output": "yes"}\n'), 2, "a key is given twice"),
    Way(
        "a conversation ends with the user",
        row(messages=[{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]),
        2,
        "an answer must come last",
    ),
    Way(
        "both answers of a preference are equal",
        row(prompt="a", chosen="b", rejected="b"),
        2,
        "there is nothing to prefer",
    ),
    Way("preferences are trained as answers", row(prompt="a", chosen="b", rejected="c"), 2, "change one of them"),
    Way("every row is too long", recipe("max_length = 256", "max_length = 8"), 2, "and max_length is 8"),
    Way("an answer ends twice", row(input="a", output="b<|end|>c"), 2, "the answer holds an end token inside its text"),
    Way(
        "the target layers are not there",
        recipe("rank = 2", 'rank = 2\ntarget_modules = ["query"]'),
        2,
        "the model has no linear layer",
    ),
    Way("the base is not there", recipe('"tiny"', '"tinny/"'), 11, "tinny"),
    Way(
        "the base pads with its end of text",
        lambda root: edit(root / "tiny/tokenizer_config.json", '"<|pad|>"', '"<|end|>"'),
        11,
        "never learns to stop",
    ),
    Way("the loss is not finite", overflowing, 11, "training stopped at step 1"),
    Way("the only step is one of warm-up, at rate 0", idle, 11, "still those of the start"),
    Way("the adapter's place is taken", ended, 2, "holds files of no finished training"),
]

AREA = Area("Trainings", "python -m trainers train.toml --out out", WAYS)
