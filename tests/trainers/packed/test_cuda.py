"""The same promises on a GPU, where other shapes take other kernels: bf16 and 4-bit bases, fused arithmetic, memory.

Without a CUDA device these are skipped, and say so.
"""

import gc
import math
from dataclasses import replace

import pytest
import torch

import trainers.packed.fit as loop
import trainers.packed.fused as fused_module
import trainers.packed.stream as stream_module
from tests.tiny import make_base
from tests.trainers.packed.running import distance, member, pack
from trainers.encode import IGNORED_LABEL, EncodedRow
from trainers.packed.fused import _gated, _turned, compiled
from trainers.packed.loss import _fastest
from trainers.packed.train import Wanted, train_pack
from trainers.sections import Lora
from trainers.sft import Watcher

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the compiler about itself, which others may not hear either
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: no pack on a GPU is shown here"),
]

MEMBERS = (
    member("a", optim={"learning_rate": 0.01}),
    member("b", seed=2, lora={"rank": 16, "target_modules": "mlp"}, optim={"learning_rate": 0.01}),
    member("c", seed=1, lora={"rank": 8, "dropout": 0.2, "target_modules": "qv"}, optim={"learning_rate": 0.01}),
)


@pytest.fixture(autouse=True)
def anew():
    """A process has one base; torch compiles for eight and then no more."""
    torch._dynamo.reset()
    _fastest.cache_clear()


@pytest.fixture
def steps(config):
    """Ten steps of two passes each."""
    return config.model_copy(update={"steps": 10, "batch_size": 2, "accumulation": 2})


@pytest.fixture
def longer(monkeypatch):
    """Adds a row to every batch, of so many tokens, of which nothing is learned: other sizes take other kernels."""
    plain = stream_module.Stream._batch

    def lengthen(tokens):
        row = EncodedRow((0,) * tokens, (IGNORED_LABEL,) * tokens)
        monkeypatch.setattr(stream_module.Stream, "_batch", lambda self, rows: plain(self, [*rows, row]))

    yield lengthen
    monkeypatch.setattr(stream_module.Stream, "_batch", plain)


@pytest.mark.parametrize("twice", [False, True], ids=["kept", "twice"])
@pytest.mark.parametrize("kind", ["none", "int8", "nf4", "fp4"])
def test_company_moves_an_adapter_no_further_than_padding_does(steps, tmp_path, longer, kind, twice):
    """In bf16: packed beside solo, and solo beside the same with a row more that teaches nothing; lean stacks too."""
    steps = steps.model_copy(update={"gradient_checkpointing": twice})
    members = [member(f"r{rank}", seed=rank, lora={"rank": rank}, optim={"learning_rate": 2e-3}) for rank in (4, 8, 16)]
    how = {"dtype": "bfloat16", "quantization": kind, "device": "cuda"}
    together = pack(steps, tmp_path / "pack", *members, **how).adapters
    alone = [pack(steps, tmp_path / each.name, each, **how).adapters[0] for each in members]
    apart = [distance(one.factors, other.factors) for one, other in zip(together, alone, strict=True)]
    padded = []
    for tokens in (100, 700, 3000):
        longer(tokens)
        found = [pack(steps, tmp_path / f"{each.name}-{tokens}", each, **how).adapters[0] for each in members]
        padded.append([distance(one.factors, other.factors) for one, other in zip(found, alone, strict=True)])
    moved = [distance(each.factors, each.start) for each in alone]
    print(f"{kind}: packed {apart}, padded {padded}, moved {moved}")  # noqa: T201  # a figure to keep
    assert sum(apart) <= max(map(sum, padded))
    assert max(one / other for one, other in zip(apart, moved, strict=True)) < 0.2


def test_company_at_true_widths_moves_an_adapter_no_further_than_padding_does(steps, tmp_path, longer, monkeypatch):
    """As wide as a 1B model, where one adapter's products take other kernels than several do: rows and places pad."""
    shape = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 3, "initializer_range": 0.02}
    base = make_base(tmp_path / "base", num_attention_heads=32, num_key_value_heads=8, **shape)
    steps = steps.model_copy(update={"model": str(base), "batch_size": 4, "accumulation": 1})
    members = [
        member(f"r{rank}", seed=rank, lora={"rank": rank}, optim={"learning_rate": 2e-4}) for rank in (8, 16, 32)
    ]
    how = {"dtype": "bfloat16", "device": "cuda"}

    def alone(name) -> list:
        return [pack(steps, tmp_path / name / each.name, each, **how).adapters[0] for each in members]

    def apart(some, others) -> list[float]:
        return [distance(one.factors, other.factors) for one, other in zip(some, others, strict=True)]

    plain = alone("alone")
    company = apart(pack(steps, tmp_path / "pack", *members, **how).adapters, plain)
    padded = {}
    for multiple in (512, 1024, 2048):
        monkeypatch.setattr(loop, "MULTIPLE", multiple)
        padded[f"multiples of {multiple}"] = apart(alone(f"multiple-{multiple}"), plain)
    monkeypatch.undo()
    for tokens in (100, 700, 3000):
        longer(tokens)
        padded[f"a row of {tokens}"] = apart(alone(f"row-{tokens}"), plain)
    moved = [distance(each.factors, each.start) for each in plain]
    print(f"true widths: company {company}, padded {padded}, moved {moved}")  # noqa: T201  # a figure to keep
    assert sum(company) <= max(map(sum, padded.values()))


def test_adapters_on_other_layers_move_by_rounding_alone(steps, tmp_path):
    """In bf16, of unlike ranks, layers and dropout: far less than training moves them, and all learn."""
    how = {"dtype": "bfloat16", "device": "cuda"}
    together = pack(steps, tmp_path / "pack", *MEMBERS, **how).adapters
    for each in together:
        alone = pack(steps, tmp_path / each.member.name, each.member, **how).adapters[0]
        assert distance(each.factors, alone.factors) < 0.2 * distance(alone.factors, alone.start)
        assert each.curve[-1].loss < each.curve[0].loss - 0.2


def test_in_fp32_a_packed_adapter_is_its_solo_run(steps, tmp_path):
    """The bound of the CPU holds where arithmetic is as exact."""
    slow = [replace(each, optim=each.optim.model_copy(update={"learning_rate": 2e-3})) for each in MEMBERS]
    together = pack(steps, tmp_path / "pack", *slow, dtype="float32", device="cuda").adapters
    alone = [pack(steps, tmp_path / each.name, each, dtype="float32", device="cuda").adapters[0] for each in slow]
    apart = [distance(one.factors, other.factors) for one, other in zip(together, alone, strict=True)]
    print(f"fp32: packed {apart}")  # noqa: T201  # a figure to keep
    assert max(apart) < 1e-4


def test_fused_arithmetic_is_used_and_teaches_the_same(steps, tmp_path, monkeypatch):
    """Losses with and without it differ by rounding; and nothing was said of a compiler that is missing."""
    from contextlib import nullcontext

    said, used = [], []
    how = {"dtype": "bfloat16", "device": "cuda", "say": said.append}
    plain_norm = torch.nn.functional.rms_norm
    monkeypatch.setattr(torch.nn.functional, "rms_norm", lambda *args: used.append(1) or plain_norm(*args))
    tries = []
    for name in "_rotates", "_gates":
        tried = getattr(fused_module, name)
        monkeypatch.setattr(fused_module, name, lambda *args, tried=tried: tries.append(tried(*args)) or tries[-1])
    fused = pack(steps, tmp_path / "fused", *MEMBERS, **how).adapters
    assert used
    assert tries == [True, True]
    assert not [line for line in said if "compile" in line]
    monkeypatch.setattr(loop, "fused", lambda *_: nullcontext())
    plain = pack(steps, tmp_path / "plain", *MEMBERS, **how).adapters
    for one, other in zip(fused, plain, strict=True):
        losses = [[point.loss for point in each.curve] for each in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_pack_without_compiler_goes_on_with_the_models_own_code(steps, tmp_path, monkeypatch):
    """It is said, and the products are made."""

    def broken(_):
        raise RuntimeError("no C compiler")

    said = []
    monkeypatch.setattr(fused_module, "compiled", broken)
    found = pack(steps, tmp_path, *MEMBERS, dtype="bfloat16", device="cuda", say=said.append).adapters
    assert all(not each.fault for each in found)
    assert [line for line in said if "no C compiler" in line]


def test_batches_of_shapes_that_come_again_are_replayed_and_teach_the_same(steps, tmp_path, monkeypatch):
    """From the second batch of a shape on by a graph; losses and adapters are those of running every kernel."""
    made = []

    class Kept(loop.Replays):
        """One that is not forgotten."""

        def __init__(self, run) -> None:
            super().__init__(run)
            made.append(self)

    monkeypatch.setattr(loop, "Replays", Kept)
    members, how = MEMBERS[:2], {"dtype": "float32", "device": "cuda"}
    replayed = pack(steps, tmp_path / "replayed", *members, **how).adapters
    assert made[0].replayed > 8
    monkeypatch.setattr(loop, "Replays", lambda run: run)
    plain = pack(steps, tmp_path / "plain", *members, **how).adapters
    for one, other in zip(replayed, plain, strict=True):
        assert distance(one.factors, other.factors) < 1e-4
        assert [point.loss for point in one.curve] == pytest.approx([point.loss for point in other.curve], rel=1e-4)


def test_without_memory_for_a_graph_batches_run_as_ever(steps, tmp_path, monkeypatch):
    """Nothing fails, and nothing is replayed."""
    tried = []

    def no_room(*_):
        tried.append(1)
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(loop.Replays, "_record", no_room)
    found = pack(steps, tmp_path, *MEMBERS[:2], dtype="bfloat16", device="cuda").adapters
    assert tried == [1]
    assert all(len(each.curve) == 10 for each in found)


def test_an_adapter_that_diverges_ends_alone_where_batches_are_replayed(steps, tmp_path):
    """Its numbers are 0 in the graph too from then on, and the others go on."""
    wild = member("wild", seed=5, optim={"learning_rate": 0.01})
    config = steps.model_copy(update={"steps": 30})

    def spoil(stack):
        return lambda done, *_: stack[-1].weights[1].mul_(float("inf")) if done == 20 else None

    stacks = []
    plain = loop.Stack.__init__

    def kept(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        stacks.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop.Stack, "__init__", kept)
        members = MEMBERS[0], wild, MEMBERS[1]
        found = pack(config, tmp_path, *members, dtype="float32", device="cuda", on_step=spoil(stacks)).adapters
    faults = [bool(each.fault) for each in found]
    assert sum(faults) == 1
    assert all(len(each.curve) == 30 for each in found if not each.fault)
    assert all(math.isfinite(point.loss) for each in found if not each.fault for point in each.curve)


def test_out_of_memory_on_a_gpu_halves_the_pack(config, tmp_path):
    """Really out of memory: the process may have no more than what half of the pack needs."""
    points = {f"p{at}": config.model_copy(update={"steps": 2, "lora": Lora(rank=512)}) for at in range(8)}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    whole = train_pack([Wanted(each, tmp_path / "whole" / name) for name, each in points.items()], Watcher())
    assert not any(whole.values())
    gc.collect()
    torch.cuda.empty_cache()
    share = 0.75 * torch.cuda.max_memory_reserved() / torch.cuda.get_device_properties(0).total_memory
    said = []
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        wanted = [Wanted(each, tmp_path / "less" / name) for name, each in points.items()]
        less = train_pack(wanted, Watcher(say=said.append))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert not any(less.values())
    assert [line for line in said if "out of memory with 8 adapters: starting again with 4 at once" in line], said


def test_checkpointing_on_a_gpu_changes_rounding_alone(steps, tmp_path):
    """By whichever name this release of transformers has for it."""
    how = {"dtype": "float32", "device": "cuda"}
    kept = pack(steps, tmp_path / "kept", *MEMBERS, **how).adapters
    twice = steps.model_copy(update={"gradient_checkpointing": True})
    again = pack(twice, tmp_path / "again", *MEMBERS, **how).adapters
    assert all(distance(one.factors, other.factors) < 1e-4 for one, other in zip(kept, again, strict=True))


def both_ways(function, tensors) -> tuple[torch.Tensor, ...]:
    """What is made of the tensors, and the gradients of those that ask for one."""
    made = function(*tensors)
    made = (made,) if isinstance(made, torch.Tensor) else made
    asking = [each for each in tensors if each.requires_grad]
    slope = torch.autograd.grad(sum(each.square().sum() for each in made), asking) if asking else ()
    return *made, *slope


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_what_is_compiled_rounds_alike_in_any_company(dtype):
    """Bit for bit, on the way and back: a pack of one takes the same kernels as one of three."""

    def numbers(*shape, ask=True):
        return torch.randn(3, 200, *shape, device="cuda", dtype=dtype).requires_grad_(ask)

    wanted = torch.randint(32000, (3, 200, 1), device="cuda")
    given = {
        compiled(_gated(torch.nn.functional.silu)): (numbers(512), numbers(512)),
        compiled(_turned): (numbers(8, 64), numbers(2, 64), numbers(64, ask=False), numbers(64, ask=False)),
        _fastest(32000, dtype, torch.device("cuda")): (numbers(32000, ask=False), wanted),
    }
    for function, tensors in given.items():
        alone = [each[:1].detach().requires_grad_(each.requires_grad) for each in tensors]
        for one, other in zip(both_ways(function, tensors), both_ways(function, alone), strict=True):
            assert torch.equal(one[:1], other)
