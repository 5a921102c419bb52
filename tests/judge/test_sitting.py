"""Who may decide: a calibrated judge that is none of the models under test, and is still what was calibrated."""

import re
from dataclasses import replace

import pytest

from harness.judge.calibration import Calibration
from harness.judge.sitting import Sitting

LEVELS = tuple(((level, level),) for level in range(1, 6)) * 30
FLAWLESS = Calibration(LEVELS, 0, 0, 0, "served", "labels", "rule", "today")
RANDOM = replace(FLAWLESS, pairs=tuple(((a, b),) for a in range(1, 6) for b in range(1, 6)) * 6)
ENDPOINT = Sitting(
    judge="https://host/v1#judge-2026",
    fingerprint="f",
    weights="",
    served="served",
    settings={},
    exact=False,
    measured="m",
    measured_weights="w",
    named="org/model",
    dimensions=("correct", "complete"),
    calibration=FLAWLESS,
    orders=(),
    said={},
    judgements=(),
)


def test_a_calibrated_judge_of_other_models_may_decide():
    """Nothing stands against it, and it is the same after a way through a file."""
    assert ENDPOINT.objections == ()
    assert Sitting.read(ENDPOINT.evidence()) == ENDPOINT
    assert Sitting.read(()) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibration": None}, "not calibrated"),
        ({"calibration": RANDOM}, r"its kappa is -?0.0\d .* must reach 0.4"),
        ({"served": "served later"}, "changed since it was calibrated"),
        ({"weights": "w"}, "itself a model under test, or its base"),
        ({"judge": "http://host/v1#Model"}, r"goes by the name of a model under test \(org/model\)"),
        ({"judge": "http://host/v1#org/model", "named": "Org/Model"}, "goes by the name"),
    ],
)
def test_what_stands_against_a_judge(changes, said):
    """Each by itself is enough to make it advisory."""
    (objection,) = replace(ENDPOINT, **changes).objections
    assert re.search(said, objection)


def test_a_local_judge_of_other_weights_is_not_a_model_under_test():
    """The hash of the weights decides, whatever the number format."""
    assert replace(ENDPOINT, weights="other").objections == ()
