"""Predicted and measured peak memory on a GPU, point by point, beside `accelerate estimate-memory`; table and JSON.

    python -m tests.bench.memory [--json FILE] [--only TEXT] [--list]

Every point runs in a process of its own: random weights at true shapes, PEFT's adapter, three training steps, and
`torch.cuda.max_memory_allocated` and `max_memory_reserved` of them. Nothing is downloaded. Needs torch, transformers
and peft; points that need bitsandbytes or trl's tiled loss are skipped, and said to be, where those are missing.
accelerate knows no adapters, lengths or batches: its figure is the one that it prints for training in bf16.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from trainers.planning.memory import DTYPE_BYTES, Setup, footprint
from trainers.planning.shapes import Shape, known_shapes

GIB = 2**30
STEPS = 3
TIMEOUT = 300  # seconds a point
SMALL, MIDDLE, LARGE = "Llama-3.2-1B", "Llama-3.2-3B", "Llama-3.1-8B"
TINY = Shape("tiny", hidden=256, layers=4, heads=4, kv_heads=2, head_dim=64, ffn=640, vocab=500, tied=True)
"""What the script's own test measures, on a CPU."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one point's process found. Bytes; `runtime` is what the GPU holds outside of the allocator."""

    allocated: int
    reserved: int
    runtime: int


def main() -> int:
    """Run the points; 1 when one of them failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--only", default="", help="points whose name contains this text")
    parser.add_argument("--list", action="store_true", help="print the points and their predictions; measures nothing")
    parser.add_argument("--point", help=argparse.SUPPRESS)  # the child's job
    options = parser.parse_args()
    chosen = {name: setup for name, setup in points().items() if options.only in name}
    if options.point:
        sys.stdout.write(json.dumps(asdict(measure(points()[options.point]))) + "\n")
        return 0
    if options.list:
        sys.stdout.write(
            "".join(f"{name:<34}{footprint(setup).allocated / GIB:8.2f} GiB\n" for name, setup in chosen.items())
        )
        return 0
    import torch

    if not torch.cuda.is_available():
        sys.stderr.write("no CUDA device: there is nothing to measure; --list prints the predictions\n")
        return 2
    rows = []
    for name, setup in chosen.items():
        rows.append(row(name, setup, in_a_process(name)))
        sys.stdout.write(line(rows[-1]) + "\n")
        sys.stdout.flush()
        if options.json:  # after each point, so that an interrupted run keeps what it has
            options.json.write_text(json.dumps(document(rows), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(summary(rows)) + "\n")
    return 1 if any(each["state"] == "failed" for each in rows) else 0


def points() -> dict[str, Setup]:
    """What is measured, by name. Rows are of equal length, so that attention needs no mask."""
    shapes = known_shapes()
    plain = {"masked": False, "chunked_loss": False}
    found: dict[str, Setup] = {}

    def add(model: str, batch: int, length: int, **changed: object) -> None:
        setup = replace(Setup(shapes[model], batch=batch, length=length, **plain), **changed)
        kind = "full" if setup.method == "full" else "lora" if setup.quantization == "none" else setup.quantization
        marks = [kind, f"{batch}x{length}"] + ["ckpt"] * setup.checkpointing + ["tiled"] * setup.chunked_loss
        found[f"{model} {' '.join(marks)}"] = setup

    nf4 = {"quantization": "nf4", "trained_dtype": "bfloat16"}
    for model, batch, length in (
        (SMALL, 1, 512),
        (SMALL, 8, 512),
        (SMALL, 2, 2048),
        (MIDDLE, 1, 512),
        (MIDDLE, 4, 512),
    ):
        add(model, batch, length)
    for batch, length in ((1, 512), (4, 512), (2, 2048)):
        add(LARGE, batch, length)
    for model, batch, length in ((SMALL, 8, 512), (MIDDLE, 4, 512), (MIDDLE, 16, 512), (LARGE, 4, 1024)):
        add(model, batch, length, checkpointing=True)
    for model, batch, length in ((SMALL, 4, 512), (MIDDLE, 4, 512), (LARGE, 4, 512), (LARGE, 1, 2048)):
        add(model, batch, length, **nf4)
    for model, batch, length in ((MIDDLE, 4, 512), (LARGE, 8, 1024)):
        add(model, batch, length, checkpointing=True, **nf4)
    add(MIDDLE, 4, 512, chunked_loss=True, checkpointing=True)
    add(LARGE, 8, 1024, chunked_loss=True, checkpointing=True, **nf4)
    add(SMALL, 4, 512, method="full", trained_dtype="bfloat16")
    return found


def in_a_process(name: str) -> Measured | str:
    """The point measured by a fresh interpreter, or why it was not."""
    command = [sys.executable, "-m", "tests.bench.memory", "--point", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"failed: no result after {TIMEOUT} s"
    if done.returncode == 0:
        return Measured(**json.loads(done.stdout.splitlines()[-1]))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"skipped: {last}" if last.startswith("ModuleNotFoundError") else f"failed: {last}"


def measure(setup: Setup, device: str = "cuda") -> Measured:
    """Train three steps in this process and look at the allocator; on a CPU, at what is alive."""
    import torch

    model = build(setup, device)
    if device == "cpu":
        from tests.trainers.live import step_bytes

        found = step_bytes(model, batch=setup.batch, length=setup.length, autocast=setup.autocast)
        peak = max(found["backward"], found["step"])
        return Measured(allocated=peak, reserved=peak, runtime=0)
    optimizer = torch.optim.AdamW([tensor for tensor in model.parameters() if tensor.requires_grad], foreach=True)
    ids = torch.randint(3, setup.shape.vocab, (setup.batch, setup.length), device=device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(STEPS):
        with torch.autocast(device, dtype=torch.bfloat16, enabled=setup.autocast):
            loss, output = loss_of(model, ids, tiled=setup.chunked_loss)
        loss.backward()
        del loss, output
        optimizer.step()
        optimizer.zero_grad()
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return Measured(
        allocated=torch.cuda.max_memory_allocated(),
        reserved=torch.cuda.max_memory_reserved(),
        runtime=total - free - torch.cuda.memory_reserved(),
    )


def loss_of(model, ids, *, tiled: bool):
    """The loss, and what a plain loop keeps beside it until the backward pass is over."""
    if not tiled:
        output = model(input_ids=ids, labels=ids, use_cache=False)
        return output.loss, output
    from trl.kernels import ChunkedLogProbFunction

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = base.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    tile = 32768  # of the vocabulary; what trl's trainer passes
    outputs = ("log_probs", "entropy", "is_top1")
    rows = hidden.reshape(-1, hidden.shape[-1])
    found = ChunkedLogProbFunction.apply(
        rows, base.lm_head.weight, None, ids[:, 1:].reshape(-1), 1.0, tile, None, 1.0, outputs
    )
    return -found[0].mean(), None


def build(setup: Setup, device: str):
    """A model of random weights as `setup` says, in training mode, with its adapter."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    shape = setup.shape
    config = LlamaConfig(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.ffn,
        vocab_size=shape.vocab,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=max(setup.length, 2048),
    )
    dtype = getattr(torch, setup.trained_dtype if setup.method == "full" else setup.compute_dtype)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model.to(dtype)
    if setup.quantization != "none":
        quantize(model, setup)
    if setup.method == "lora":
        model = adapt(model, setup)
    model.train()
    if setup.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if setup.method == "lora":
            model.enable_input_require_grads()
    return model


def adapt(model, setup: Setup):
    """LoRA on the targeted layers, in the precision that the trainer gives it."""
    import torch
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=setup.rank,
        lora_alpha=2 * setup.rank,
        target_modules=list(setup.targets),
        use_dora=setup.dora,
        task_type="CAUSAL_LM",
    )
    wrapped = get_peft_model(model, lora)
    for tensor in wrapped.parameters():
        if tensor.requires_grad:
            tensor.data = tensor.data.to(getattr(torch, setup.trained_dtype))
    return wrapped


def quantize(model, setup: Setup) -> None:
    """Put 4-bit layers in the place of the blocks' linear layers, one at a time."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    layers = [(part, name) for part in model.model.layers.modules() for name, _ in part.named_children()]
    for part, name in layers:
        old = getattr(part, name)
        if not isinstance(old, torch.nn.Linear):
            continue
        kinds = {"compress_statistics": setup.double_quantization, "quant_type": setup.quantization}
        compute = getattr(torch, setup.compute_dtype)
        new = Linear4bit(old.in_features, old.out_features, bias=False, compute_dtype=compute, device="meta", **kinds)
        new.weight = Params4bit(old.weight.data, requires_grad=False, **kinds).to(old.weight.device)
        setattr(part, name, new)
    model.is_loaded_in_4bit = True  # what PEFT asks


def row(name: str, setup: Setup, found: Measured | str) -> dict[str, object]:
    """Prediction and measurement of one point; errors are predicted / measured - 1."""
    predicted = footprint(setup)
    whole: dict[str, object] = {
        "point": name,
        "predicted_allocated": predicted.allocated,
        "predicted_reserved": predicted.reserved,
        "setup": asdict(setup),
        "components": asdict(predicted.components),
        "moment": predicted.moment,
        "accelerate": accelerate_bytes(setup.shape),
    }
    if isinstance(found, str):
        return whole | {"state": found.partition(":")[0], "reason": found}
    return whole | {
        "state": "measured",
        "measured": asdict(found),
        "error_allocated": predicted.allocated / found.allocated - 1,
        "error_reserved": predicted.reserved / found.reserved - 1,
        "error_accelerate": accelerate_bytes(setup.shape) / found.reserved - 1,
    }


def accelerate_bytes(shape: Shape) -> int:
    """The largest of the parts that `accelerate estimate-memory` prints for training with Adam in bf16."""
    from accelerate.commands.estimate import estimate_training_usage

    return max(estimate_training_usage(shape.parameters * DTYPE_BYTES["float32"], "bfloat16").values())


def line(each: dict[str, object]) -> str:
    """One line of the table."""
    if each["state"] != "measured":
        return f"{each['point']:<34}{each['reason']}"
    figures = (each["predicted_allocated"], each["measured"]["allocated"])
    reserved = (each["predicted_reserved"], each["measured"]["reserved"])
    shown = [f"{size / GIB:7.2f}" for size in (*figures, *reserved, each["accelerate"])]
    errors = [f"{100 * each[key]:+6.1f} %" for key in ("error_allocated", "error_reserved", "error_accelerate")]
    order = (shown[0], shown[1], errors[0], shown[2], shown[3], errors[1], shown[4], errors[2])
    return f"{each['point']:<34}" + " ".join(order)


def summary(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """How far off the predictions are, over all points that were measured."""
    measured = [each for each in rows if each["state"] == "measured"]
    found: dict[str, object] = {"points": len(rows), "measured": len(measured)}
    for kind in ("allocated", "reserved", "accelerate"):
        errors = [each[f"error_{kind}"] for each in measured]
        if errors:
            sizes = [abs(error) for error in errors]
            found[kind] = {"median": statistics.median(sizes), "worst": max(sizes), "lowest": min(errors)}
    return found


def document(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """All figures, and what they were measured with."""
    import peft
    import torch
    import transformers

    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    return {"device": torch.cuda.get_device_name(0), "versions": versions, "rows": rows, "summary": summary(rows)}


if __name__ == "__main__":
    sys.exit(main())
