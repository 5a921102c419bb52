"""Two hundred mistyped gates, suites and recipes: each is refused with one line, or means exactly the same."""

import random
import string
import tomllib
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.gates import Gate
from trainers.config import TrainConfig, load_config

DEFAULT = Path(__file__).parents[1] / "trainers" / "default.toml"
GATES = [
    {"metric": "accuracy", "at_least": 0.85},
    {"metric": "accuracy", "max_drop": 0.02, "advisory": False},
    {"metric": "accuracy", "min_gain": 0.2, "over": "best_prompt", "min_n": 100},
]
WRONG = [None, "", "0.85", [], {}, 85, -0.02, 1.5, float("nan"), float("inf"), True, 0]


def mistyped(word, chance):
    """The word with a letter lost, doubled, replaced, or its neighbours swapped."""
    at = chance.randrange(len(word) - 1)
    return chance.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at] * 2 + word[at + 1 :],
            word[:at] + chance.choice(string.ascii_lowercase) + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )


@pytest.mark.parametrize("seed", range(60))
def test_a_mistyped_key_of_a_gate_is_refused(seed):
    """No misspelt word is taken for another one, and none is ignored."""
    chance = random.Random(seed)
    values = dict(chance.choice(GATES))
    key = chance.choice([key for key in values if key != "metric"])
    wrong = mistyped(key, chance)
    changed = {(wrong if name == key else name): value for name, value in values.items()}
    if changed == values:
        assert Gate(**changed) == Gate(**values)
    else:
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{wrong}'"):
            Gate(**changed)


@pytest.mark.parametrize("seed", range(60))
def test_a_wrong_value_of_a_gate_is_refused(seed):
    """A limit is a finite rate in (0, 1] and nothing that merely looks like one."""
    chance = random.Random(seed)
    values = dict(chance.choice(GATES))
    key = chance.choice([key for key in values if key not in ("metric", "advisory")])
    with pytest.raises(HarnessError):
        Gate(**values | {key: chance.choice([wrong for wrong in WRONG if key != "min_n" or wrong != 85])})


def leaves(values, at=()):
    """The place of every value of nested tables."""
    for key, value in values.items():
        yield from leaves(value, (*at, key)) if isinstance(value, dict) else [(*at, key)]


@pytest.mark.parametrize("seed", range(80))
def test_a_mistyped_recipe_is_refused_or_the_same(seed, tmp_path):
    """A key that is misspelt or a number out of its range never trains something else without a word."""
    chance = random.Random(seed)
    values = tomllib.loads(DEFAULT.read_text(encoding="utf-8"))
    *tables, key = chance.choice(sorted(leaves(values)))
    table = values
    for name in tables:
        table = table[name]
    before, wrong = dict(table), mistyped(key, chance)
    if seed % 2 or isinstance(table[key], str):
        table[wrong] = table.pop(key)
    else:
        table[key] = chance.choice([-1, "many", [], {"a": 1}, "x", -0.5])
    path = tmp_path / "recipe.toml"
    from trainers.jobs import to_toml

    path.write_text(to_toml(values))
    if table == before:
        assert load_config(path) is not None
        return
    with pytest.raises(HarnessError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_recipe_is_sound():
    """Without any mistake the same file is taken, so that the mistakes are to blame."""
    assert isinstance(load_config(DEFAULT), TrainConfig)
