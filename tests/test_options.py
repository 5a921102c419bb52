"""Options: which models, by which names."""

import pytest

from harness.errors import UsageProblem
from harness.option_groups import GROUPS
from harness.options import Options, add_options, models
from harness.types import ModelRef

DEFAULTS = {
    "tunegate_model": "embedded",
    "tunegate_dtype": "auto",
    "tunegate_quantization": "none",
    "tunegate_backend": "scripted",
    "tunegate_mmlu_fewshot": 0,
}


def options(**given):
    """Options as the command line would give them."""
    values = DEFAULTS | {f"tunegate_{name}": value for name, value in given.items()}
    return Options.read(values.get)


def test_default_is_the_embedded_base_alone():
    """Without options the shipped base is measured."""
    assert models(options()) == (ModelRef("base", "embedded", dtype="auto"),)


def test_each_adapter_is_a_candidate_with_a_safe_new_name():
    """Names come from folders, are fit for files and test ids, and differ; none is called like the base."""
    given = ["runs/R16 All_Linear!", "a/x", "b/x", "base", "ünï", "...", "x" * 200, "../../etc"]
    base, *candidates = models(options(adapter=given))
    assert [model.adapter for model in candidates] == given
    assert {model.base for model in candidates} == {base.base}
    names = [model.name for model in candidates]
    assert names[:4] == ["r16-all-linear", "x", "x-2", "base-2"]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name.isascii() and len(name) <= 64 for name in names)


def test_base_option_makes_the_model_the_candidate():
    """--base REF --model REF compares two whole models."""
    base, candidate = models(options(base="org/base@abc", model="org/tuned", quantization="nf4"))
    assert (base.name, base.base, base.revision) == ("base", "org/base", "abc")
    assert (candidate.name, candidate.base, candidate.adapter) == ("tuned", "org/tuned", None)
    assert base.quantization == candidate.quantization == "nf4"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"base": "embedded"}, "is the candidate itself"),
        ({"base": "org/x", "adapter": ["a"]}, "--base beside --adapter"),
        ({"mmlu_dir": "x", "mmlu_revision": "y"}, "one source of MMLU"),
        ({"backend": "hf", "adapter": ["nowhere"]}, "holds no adapter_config.json"),
    ],
)
def test_contradicting_options_are_refused(given, message):
    """Options that cannot be meant together are one line."""
    with pytest.raises(UsageProblem, match=message):
        options(**given)


def test_every_option_has_a_group_and_says_its_default():
    """Help shows five groups in order, and no option whose default a reader must guess."""
    listed = {}

    class Group:
        def __init__(self, title):
            self.title = title

        def addoption(self, name, **settings):
            listed[name.removeprefix("--")] = (self.title, settings["help"])

    class Parser:
        def getgroup(self, _name, description):
            return Group(description.removeprefix("tunegate: "))

    add_options(Parser())
    told = {name: title for title, names in GROUPS.items() for name in names}
    assert {name: title for name, (title, _) in listed.items() if name in told} == told
    assert {title for name, (title, _) in listed.items() if name.startswith("judge-")} == {"judge"}
    assert [name for name, (_, said) in listed.items() if "default" not in said] == []
