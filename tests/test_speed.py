"""How fast base, adapter and merged model are: the arithmetic with a clock of our own, and one run of real models."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.stats
from typer.testing import CliRunner

from harness import speed
from harness.backends import Prompt, hf
from harness.backends.hf import HfBackend
from harness.cli import app
from harness.errors import AdapterMismatch, ModelProblem, NotMeasured
from harness.stopwatch import Asking, Figure, Pace, take_times
from harness.types import FinishReason, ModelRef, Sampling
from tests.playground import make_suite
from tests.tiny import make_adapter, make_base

PROMPTS = [Prompt("one", (1, 2)), Prompt("two", (3,))]


class Machine:
    """A clock, and models that take a set time: `first` seconds to the first token and `each` for every further one.

    Batches cost as one row does. `pace` makes the machine slower or faster for whatever comes next.
    """

    def __init__(self):
        """Start at midnight."""
        self.now, self.pace, self.log = 0.0, 1.0, []

    def clock(self):
        """Seconds since then."""
        return self.now

    def writer(self, name, first, each, *, short=0):
        """A model; `short` tokens are left out of its answers."""

        def write(prompts, tokens):
            self.log.append((name, len(prompts), tokens))
            self.now += self.pace * (first + each * (tokens - 1))
            return [[7] * (tokens - short) for _ in prompts]

        return write


@pytest.fixture
def machine():
    """One at rest."""
    return Machine()


def timed(machine, *, rounds=3, tokens=5, say=lambda _line: None, **costs):
    """Timings by (model, asking, figure) of models that cost (first, each)."""
    writers = {name: machine.writer(name, *cost) for name, cost in costs.items()}
    found = take_times(writers, PROMPTS, pace=Pace(rounds, tokens), clock=machine.clock, say=say)
    return {(timing.model, timing.asking, timing.figure): timing for timing in found}


def test_first_token_and_decoding_are_told_apart(machine):
    """A model that reads for 2 s and writes a token in 0.5 s is known by both, alone and in a batch of two."""
    found = timed(machine, base=(2.0, 0.5), lora=(3.0, 1.0))
    assert found["base", Asking.ALONE, Figure.FIRST].rounds == pytest.approx((2.0,) * 3)
    assert found["base", Asking.ALONE, Figure.RATE].rounds == pytest.approx((2.0,) * 3)
    assert found["base", Asking.BATCH, Figure.RATE].rounds == pytest.approx((4.0,) * 3)
    slower = found["lora", Asking.ALONE, Figure.FIRST]
    assert (slower.median, slower.ratio.value, slower.more.value) == pytest.approx((3.0, 1.5, 1.0))
    assert found["lora", Asking.BATCH, Figure.RATE].ratio.value == pytest.approx(0.5)
    assert found["base", Asking.BATCH, Figure.RATE].ratio is None


def test_a_machine_that_slows_down_leaves_the_ratio_alone(machine):
    """Rounds differ by a factor of nine, and yet the ratio is exact, because it is taken inside a round."""

    def slow_down(line):
        if line.startswith("round"):
            machine.pace *= 3

    found = timed(machine, say=slow_down, base=(2.0, 0.5), lora=(3.0, 1.0))
    first = found["lora", Asking.ALONE, Figure.FIRST]
    assert max(first.rounds) == pytest.approx(9 * min(first.rounds))
    assert (first.ratio.low, first.ratio.high) == pytest.approx((1.5, 1.5))
    assert first.more.low < first.more.value < first.more.high


def test_the_interval_is_that_of_a_paired_t(machine):
    """Against scipy's interval of the logarithms, on ratios that differ from round to round."""
    factors = iter([1.0, 1.2, 1.1, 1.3])
    wobbly, steady = machine.writer("lora", 1.0, 1.0), machine.writer("base", 1.0, 1.0)

    def write(prompts, tokens):
        machine.pace = factor[0]
        answers = wobbly(prompts, tokens)
        machine.pace = 1.0
        return answers

    factor = [1.0]
    found = take_times(
        {"base": steady, "lora": write},
        PROMPTS,
        pace=Pace(4, 3),
        clock=machine.clock,
        say=lambda line: line == "warming up" or factor.__setitem__(0, next(factors)),
    )
    (first,) = (t for t in found if (t.model, t.asking, t.figure) == ("lora", Asking.BATCH, Figure.FIRST))
    logs = [math.log(factor) for factor in (1.0, 1.2, 1.1, 1.3)]
    low, high = scipy.stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (first.ratio.low, first.ratio.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert first.ratio.n == 4


def test_models_take_turns_after_a_warm_up_that_does_not_count(machine):
    """No model is always first, each does the same work, and what the first use costs is in no round."""

    def cool(line):
        machine.pace = 1000.0 if line == "warming up" else 1.0

    found = timed(machine, say=cool, base=(1.0, 1.0), lora=(1.0, 1.0), merged=(1.0, 1.0))
    assert max(found["base", Asking.ALONE, Figure.FIRST].rounds) == pytest.approx(1.0)
    warm, laps = machine.log[:6], machine.log[6:]
    assert [name for name, _, _ in warm] == ["base", "base", "lora", "lora", "merged", "merged"]
    work = [(1, 1), (1, 5), (1, 1), (1, 5), (2, 1), (2, 5)]
    order = ["base", "lora", "merged", "lora", "merged", "base", "merged", "base", "lora"]
    assert laps == [(name, rows, tokens) for name in order for rows, tokens in work]


def test_what_was_not_measured_is_an_error(machine):
    """An answer that ends early, and one that takes no time, are no speed."""
    pace = Pace(2, 4)
    early = {"base": machine.writer("base", 1.0, 1.0, short=1)}
    with pytest.raises(NotMeasured, match=r"'base': answers of 1 tokens were asked for, it wrote \[0\]"):
        take_times(early, PROMPTS, pace=pace, clock=machine.clock)
    with pytest.raises(NotMeasured, match="took no longer than 1"):
        take_times({"base": machine.writer("base", 1.0, 0.0)}, PROMPTS, pace=pace, clock=machine.clock)


def test_the_engine_writes_on_past_the_end_token(tmp_path, monkeypatch):
    """All answers get the length asked for, and begin as the gate's do; beyond the context is refused."""
    base = ModelRef(name="base", base=str(make_base(tmp_path / "base")))
    backend, found = HfBackend("cpu"), {}
    prompts = [backend.render(base, [{"role": "user", "content": text}]) for text in ("Hello.", "What is this?")]
    written = backend.write(base, prompts, 12)
    monkeypatch.setattr(hf, "stop_ids", lambda *_: frozenset({written[0][3]}))
    backend.generate(base, prompts, Sampling(12), found.update)
    assert found[0].finish_reason is FinishReason.STOP
    assert len(found[0].token_ids) <= 4
    assert [len(ids) for ids in backend.write(base, prompts, 12)] == [12, 12]
    for index, answer in found.items():
        assert tuple(written[index][: answer.new_tokens]) == answer.token_ids
    with pytest.raises(ModelProblem, match="exceeds its context"):
        backend.write(base, prompts, 2000)


@pytest.fixture
def desk(tmp_path, monkeypatch, machine):
    """A suite, base and adapter, and an engine whose tokens cost 1 s, with adapter 2 s, merged 0.5 s."""

    class Engine:
        def __init__(self, device, *, fold):
            assert device == "cpu"
            assert not fold, "an adapter folded into its base would be as fast as a merged model"

        def identify(self, model):
            if model.adapter and (Path(model.adapter) / "other").exists():
                raise AdapterMismatch(f"{model.adapter}: was trained on another base; train it again")
            return replace(model, fingerprint=model.name)

        def render(self, _model, messages):
            return Prompt(messages[-1]["content"], (1, 2, 3))

        def policy(self):
            return {"engine": "fake-1", "device": "cpu", "batch_size": "64"}

        def write(self, model, prompts, tokens):
            assert Path(model.base).is_dir()
            cost = 2.0 if model.adapter else {"base": 1.0, "merged": 0.5}[Path(model.base).name]
            return machine.writer(model.name, cost, cost)(prompts, tokens)

    def merge(adapter, out, *, model):
        out.mkdir()
        machine.merged = (adapter.name, Path(model).name, out)

    monkeypatch.setattr(speed, "HfBackend", Engine)
    monkeypatch.setattr(speed, "perf_counter", machine.clock)
    monkeypatch.setattr("trainers.merge.merge", merge)
    monkeypatch.chdir(tmp_path)
    make_suite(tmp_path, rows=40)
    for name in ("base", "lora"):
        (tmp_path / name).mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    return tmp_path


def ask(*words, adapter="lora", suite="suites/test_asks.py"):
    """`tunegate speed` in this process."""
    given = ["speed", suite, "--model", "base", "--adapter", adapter, "--device", "cpu", *words]
    return CliRunner().invoke(app, given)


def test_the_command_measures_three_models_and_keeps_nothing(desk, machine):
    """Table and JSON say the same; the merged model is gone afterwards, and no store or run was made."""
    before = sorted(desk.rglob("*"))
    done = ask("--merged", "--rows", "8", "--rounds", "3", "--json", "found.json")
    assert done.exit_code == 0, done.output
    found = json.loads((desk / "found.json").read_text())
    assert (found["rows"], found["new_tokens"], found["rounds"]) == (8, 32, 3)
    assert [model["name"] for model in found["models"]] == ["base", "lora", "lora-merged"]
    ratios = {
        (each["model"], each["asking"], each["figure"]): each["ratio_to_base"] and each["ratio_to_base"]["value"]
        for each in found["timings"]
    }
    assert len(ratios) == 12
    assert ratios["lora", "one by one", "first token"] == pytest.approx(2.0)
    assert ratios["lora", "one batch", "tokens/s"] == pytest.approx(0.5)
    assert ratios["lora-merged", "one batch", "tokens/s"] == pytest.approx(2.0)
    line = next(line for line in done.stdout.splitlines() if line.startswith("one by one  first token  lora "))
    cells = "2,000.0 ms  2,000.0 to 2,000.0  2.00 (2.00 to 2.00)  +1,000.0 (+1,000.0 to +1,000.0)"
    assert " ".join(line.split()).endswith(" ".join(cells.split()))
    assert "nothing was gated" in done.stdout
    adapter, base, out = machine.merged
    assert (adapter, base, out.exists()) == ("lora", "base", False)
    assert sorted(desk.rglob("*")) == sorted([*before, desk / "found.json"])


@pytest.mark.usefixtures("desk")
def test_rows_are_those_of_the_suite_and_merging_is_asked_for(machine):
    """Without --merged there are two models; a small suite gives all its rows."""
    done = ask("--rows", "500", "--rounds", "3", "--max-new-tokens", "2")
    assert done.exit_code == 0, done.output
    assert "40 prompts of asks" in done.stdout
    assert {name for name, _, _ in machine.log} == {"base", "lora"}
    assert not hasattr(machine, "merged")


@pytest.mark.parametrize(
    ("adapter", "words", "said"),
    [
        ("nowhere", (), "'nowhere' does not exist"),
        ("base", (), "holds no adapter_config.json"),
        ("lora", ("--json", "no/where.json"), "--json no/where.json: cannot be written (its folder does not exist)"),
        ("lora", ("--quantization", "tiny"), "invalid choice: 'tiny'"),
        ("strange", (), "was trained on another base"),
    ],
)
def test_bad_input_is_one_line(desk, adapter, words, said):
    """And exit code 2, before anything is measured."""
    (desk / "strange").mkdir()
    for name in ("adapter_config.json", "other"):
        (desk / "strange" / name).write_text("{}")
    done = ask(*words, adapter=adapter)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("tunegate: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.usefixtures("desk")
def test_a_suite_that_asks_for_no_written_answer_is_refused():
    """Four-choice questions are answered by likelihood, so there is no token to wait for."""
    done = ask(suite=str(Path(__file__).parents[1] / "suites" / "test_mmlu_forgetting.py"))
    assert (done.exit_code, "does not ask for written answers" in done.stderr) == (2, True)


@pytest.mark.slow
def test_real_models_are_merged_and_measured(tmp_path):
    """A tiny base, a random adapter and what becomes of both: every time is there, whatever it is."""
    make_suite(tmp_path, rows=8)
    base = make_base(tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "lora")
    words = ["speed", tmp_path / "suites" / "test_asks.py", "--model", base, "--adapter", adapter, "--merged"]
    words += ["--rows", "4", "--rounds", "3", "--device", "cpu", "--json", tmp_path / "found.json"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert [model["name"] for model in found["models"]] == ["base", "lora", "lora-merged"]
    assert len({model["fingerprint"] for model in found["models"]}) == 3
    assert len(found["timings"]) == 12
    assert all(value > 0 for each in found["timings"] for value in each["rounds"])
    assert "it/s" not in done.stderr
