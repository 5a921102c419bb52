"""What training saves along the way is what `--checkpoints` measures: adapters of the base, one for each epoch."""

from pathlib import Path

import pytest

import trainers
from harness.datasets import jsonl
from harness.errors import AdapterMismatch, UsageProblem
from harness.gates import Gate
from harness.metrics.exact_match import exact_match
from harness.models import identify
from harness.prompts import chat
from harness.suite import Suite
from harness.trajectory import plan_trajectory
from harness.types import ModelRef, Sampling
from tests.tiny import make_base
from trainers.config import TrainConfig, load_config
from trainers.sft import train

SHIPPED = Path(trainers.__file__).parent / "trajectory.toml"


@pytest.fixture
def trained(config, tmp_path):
    """An adapter after three epochs of three steps, with those after the first two."""
    wanted = config.model_dump() | {"epochs": 3, "checkpoints": {"keep": 2}}
    return Path(train(TrainConfig.model_validate(wanted), tmp_path / "out").model.adapter)


def test_the_end_of_each_epoch_is_saved_and_found(trained, base):
    """`keep = epochs - 1` keeps each epoch's end but the last, which is the adapter; all are known to the gate."""
    trajectory, models, _ = plan_trajectory([ModelRef("tuned", str(base), adapter=str(trained))], [], None)
    found = [(each.model, each.step, each.epoch) for each in trajectory.checkpoints]
    assert found == [("tuned@step-000003", 3, 1.0), ("tuned@step-000006", 6, 2.0), ("tuned", 9, 3.0)]
    assert [model.name for model in models] == ["tuned@step-000003", "tuned@step-000006"]
    digests = {identify(model).digests["adapter"] for model in models}
    assert len(digests) == 2


def test_a_checkpoint_is_held_to_its_base_like_any_adapter(trained, tmp_path):
    """Each has its own pins: on another base it is refused, so no checkpoint is measured on the wrong one."""
    other = make_base(tmp_path / "other", seed=1)
    followed = plan_trajectory([ModelRef("tuned", str(other), adapter=str(trained))], [], None)
    with pytest.raises(AdapterMismatch, match=r"step-000003: trained on another base"):
        identify(followed.models[0])


def test_training_rows_are_known_by_their_content(trained, base, data):
    """The adapter says which file it was trained on, so that the gap to test rows is taken from no other."""
    suite = Suite(
        name="words",
        version=1,
        examples=jsonl(data),
        render=chat(system="Answer with JSON."),
        sampling=Sampling(max_new_tokens=8),
        metrics=[exact_match()],
        gates=[Gate("exact_match", min_gain=0.1)],
    )
    adapter = ModelRef("tuned", str(base), adapter=str(trained))
    followed = plan_trajectory([adapter], [suite], str(data))
    assert [len(each.plan()) for each in followed.suites] == [12]
    data.write_text(data.read_text() + data.read_text().splitlines()[0].replace("ash", "box") + "\n")
    with pytest.raises(UsageProblem, match=r"is not the file that .* was trained on"):
        plan_trajectory([adapter], [suite], str(data))


def test_the_configuration_that_ships_saves_every_epoch():
    """One checkpoint fewer than epochs, because the adapter itself is the last."""
    config = load_config(SHIPPED)
    assert config.epochs == config.checkpoints.keep + 1 >= 5
