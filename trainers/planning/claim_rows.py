"""What five widely read fine-tuning guides say about memory, beside what our own figures say.

Every figure on our side is computed when the table is made. A guide rarely says for which batch and length its memory
holds, so ours is a span: from the leanest sensible run to a roomy one (`CONDITIONS`). A claim inside the span is
possible, which is not the same as true for your run: plan that one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trainers.planning.cost import default_rate
from trainers.planning.memory import Setup, footprint
from trainers.planning.shapes import Shape, known_shapes

__all__ = ["CONDITIONS", "Claim", "memory_claims"]

GB = 10**9
CONDITIONS = (
    "lean: 1 row of 512 tokens, checkpointing, 8-bit AdamW, tiled logits; "
    "roomy: 4 rows of 1,024 tokens, no checkpointing, AdamW, whole logits; rank 16 on all linear layers; "
    "full fine-tuning is lean in bf16 and roomy with fp32 weights"
)
MIXTRAL = 46_702_792_704
"""Parameters of Mixtral-8x7B; its experts are no shape that is covered."""
TABLE = (
    # row, where, model as the guide names it, shape, (full, LoRA, QLoRA) in GB, None where the guide has nothing
    (54, "S2:55-59", "Mistral 7B", "Mistral-7B", ((60, 60), (28, 28), (8, 10))),
    (54, "S2:55-59", "Llama-3 8B", "Llama-3.1-8B", ((64, 64), (30, 30), (10, 12))),
    (54, "S2:55-59", "70B", "Llama-3.1-70B", ((400, 1e6), (140, 140), (40, 48))),
    (54, "S2:55-59", "405B", "Llama-3.1-405B", (None, None, (200, 220))),
    (55, "S3:184-188", "1-3B (3B taken)", "Llama-3.2-3B", ((24, 24), (8, 8), (4, 4))),
    (55, "S3:184-188", "7-8B", "Llama-3.1-8B", ((60, 60), (16, 16), (8, 8))),
    (55, "S3:184-188", "13B", "Llama-2-13b", ((120, 120), (32, 32), (14, 14))),
    (55, "S3:184-188", "70B", "Llama-3.1-70B", (None, (160, 160), (40, 40))),
    (56, "S4:38-42,117-120", "8B", "Llama-3.1-8B", ((120, 120), (32, 32), (10, 10))),
    (56, "S4:38-42,117-120", "70B", "Llama-3.1-70B", ((1000, 1000), (160, 160), (48, 48))),
    (56, "S4:38-42", "Mistral 7B", "Mistral-7B", ((100, 100), None, None)),
    (56, "S4:99", "65B", "llama-65b", (None, None, (48, 48))),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the table.

    Attributes:
        row: number of the claim in the list that the five guides' claims were gathered in.
        where: guide and line, such as `S2:55-59`.
        says: the claim.
        conditions: what ours holds for.
        ours: our figures.
        verdict: what follows.
    """

    row: int
    where: str
    says: str
    conditions: str
    ours: str
    verdict: str


def memory_claims() -> tuple[Claim, ...]:
    """All claims about memory, by row."""
    shapes = known_shapes()
    small, large = shapes["Llama-3.2-3B"], shapes["Llama-3.1-8B"]
    found = [
        *_quantisation(shapes),
        *_states(large),
        *_table(shapes),
        *_bytes(shapes),
        *_needs(shapes),
        *_advice(small, large),
        *_levers(small),
    ]
    return tuple(sorted(found, key=lambda claim: claim.row))


def lean(shape: Shape, **changed: object) -> Setup:
    """A run that saves memory where it can; see `CONDITIONS`."""
    base = Setup(shape, length=512, masked=False, checkpointing=True, optimizer="adamw_8bit")
    return _changed(base, **changed)


def roomy(shape: Shape, **changed: object) -> Setup:
    """A run that saves none; see `CONDITIONS`."""
    return _changed(Setup(shape, batch=4, length=1024, chunked_loss=False), **changed)


def _changed(setup: Setup, **changed: object) -> Setup:
    return replace(setup, **changed)  # type: ignore[arg-type]  # names of fields, all from this file


KINDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "full": ({"method": "full", "trained_dtype": "bfloat16"}, {"method": "full"}),
    "LoRA": ({}, {}),
    "QLoRA": (
        {"quantization": "nf4", "trained_dtype": "bfloat16"},
        {"quantization": "nf4", "trained_dtype": "bfloat16"},
    ),
}


def _span(shape: Shape, kind: str) -> tuple[float, float]:
    """GB that a lean and a roomy run take."""
    low, high = KINDS[kind]
    return footprint(lean(shape, **low)).peak / GB, footprint(roomy(shape, **high)).peak / GB


def _judged(claimed: tuple[float, float], span: tuple[float, float]) -> str:
    if claimed[1] < span[0]:
        return f"too low: even the lean run takes {span[0]:.1f} GB"
    if claimed[0] > span[1]:
        return f"higher than the roomy run's {span[1]:.1f} GB"
    return "possible"


def _weights(shape: Shape, quantization: str) -> float:
    """GB of the base's weights and scales."""
    parts = footprint(lean(shape, quantization=quantization)).components
    return (parts.weights + parts.constants) / GB


def _quantisation(shapes: dict[str, Shape]) -> Iterator[Claim]:
    shape = shapes["Llama-3.1-8B"]
    once = footprint(lean(shape, quantization="nf4", double_quantization=False)).components.constants
    twice = footprint(lean(shape, quantization="nf4")).components.constants
    bits = 8 * (once - twice) / shape.linear_parameters
    yield Claim(
        40,
        "S1:41, S2:49, S3:49",
        "double quantisation saves 0.4 (S1, S3) or 0.37 (S2) bit a parameter",
        "blocks of 64 weights and of 256 scales",
        f"{bits:.3f} bit a quantised weight",
        "S2 is right; S1 and S3 rounded up",
    )
    named = ("Llama-3.2-3B", "Llama-3.1-8B", "Qwen2.5-0.5B")
    pairs = [(name, _weights(shapes[name], "none"), _weights(shapes[name], "nf4")) for name in named]
    yield Claim(
        41,
        "S2:47, S3:34",
        "NF4 makes weights 4x (S2), 4-8x (S3) smaller",
        "NF4 with double quantisation, the rest in bf16",
        "; ".join(f"{name} {big:.2f} -> {few:.2f} GB, {big / few:.2f}x" for name, big, few in pairs),
        "too much: embeddings and output layer stay as they are",
    )
    llama = shapes["Llama-2-7b"]
    yield Claim(
        42,
        "S1:32,53",
        "7B: 14 GB -> about 5 GB, printed by the code as a constant",
        "weights alone",
        f"Llama-2-7b {_weights(llama, 'none'):.1f} -> {_weights(llama, 'nf4'):.1f} GB; "
        f"Llama-3.1-8B {_weights(shape, 'none'):.1f} -> {_weights(shape, 'nf4'):.1f} GB",
        "depends on the vocabulary; a printed constant measures nothing",
    )
    span = _span(shapes["Llama-3.2-3B"], "QLoRA")
    yield Claim(43, "S0:9", "QLoRA of a 3B takes about 5 GB", "lean to roomy", _shown(span), _judged((5, 5), span))


def _states(shape: Shape) -> Iterator[Claim]:
    trained = footprint(roomy(shape))
    fp32 = trained.components.optimizer
    small = footprint(roomy(shape, optimizer="adamw_8bit")).components.optimizer
    yield Claim(
        48,
        "S3:136",
        "adamw_8bit: same quality, 50 % less VRAM",
        "Llama-3.1-8B, LoRA, roomy",
        f"{fp32 / GB:.2f} -> {small / GB:.2f} GB of {trained.peak / GB:.1f} GB ({(fp32 - small) / trained.peak:.1%})",
        "wrong for adapters: half of next to nothing",
    )
    all_of_it = fp32 + 2 * trained.components.adapter
    yield Claim(
        49,
        "S2:61",
        "LoRA's optimiser states add 2-4 GB (7B, rank 16)",
        f"{trained.trainable:,} parameters in fp32",
        f"{fp32 / GB:.2f} GB, with weights and gradients {all_of_it / GB:.2f} GB",
        f"overstated {2 * GB / all_of_it:.0f}-{4 * GB / all_of_it:.0f} times",
    )


def _table(shapes: dict[str, Shape]) -> Iterator[Claim]:
    for row, where, model, name, sizes in TABLE:
        for kind, size in zip(KINDS, sizes, strict=True):
            if size is None:
                continue
            low, high = size
            said = f"> {low:g}" if high > 1e5 else f"{low:g}" if low == high else f"{low:g}-{high:g}"  # noqa: PLR2004  # open-ended
            span = _span(shapes[name], kind)
            yield Claim(
                row, where, f"{model}, {kind}: {said} GB", f"{name}, lean to roomy", _shown(span), _judged(size, span)
            )


def _shown(span: tuple[float, float]) -> str:
    return f"{span[0]:.1f}-{span[1]:.1f} GB"


def _bytes(shapes: dict[str, Shape]) -> Iterator[Claim]:
    large, huge = shapes["Llama-3.1-8B"].parameters, shapes["Llama-3.1-70B"].parameters
    counted = ", ".join(
        f"{name} {12 * size / GB:.0f} GB" for name, size in (("8B", large), ("Mixtral", MIXTRAL), ("70B", huge))
    )
    yield Claim(
        57,
        "S4:46-49",
        "2 B weights + 2 B gradients + 8 B Adam a parameter, plus activations; tables say 120, 700 and 1,000 GB",
        "12 B a parameter",
        counted,
        "what the tables add (24, 140, 153 GB) is activations, which depend on batch and length",
    )
    llama = shapes["Llama-2-7b"].parameters
    yield Claim(
        58,
        "S3:18",
        "7B full fine-tuning: 28 GB of gradients and optimiser states",
        "Llama-2-7b; bf16, or fp32 as in row 57",
        f"{6 * llama / GB:.0f} GB in bf16 (6 B), {10 * llama / GB:.0f} GB (10 B)",
        "4 B a parameter fits neither",
    )
    yield Claim(59, "S2:6", "70B in bf16 is 140 GB", "weights", f"{2 * huge / GB:.0f} GB", "right")


def _needs(shapes: dict[str, Shape]) -> Iterator[Claim]:
    small, large, llama = shapes["Llama-3.2-3B"], shapes["Llama-3.1-8B"], shapes["Llama-2-7b"]
    span = _span(llama, "full")
    yield Claim(
        60,
        "S1:1",
        "7B full fine-tuning needs 80 GB",
        "Llama-2-7b, lean to roomy",
        _shown(span),
        _judged((80, 80), span),
    )
    span = _span(small, "full")
    yield Claim(
        61,
        "S0:4",
        "3B full fine-tuning on 24 GB is borderline impossible",
        "lean to roomy; PEFT's benchmark measured 36.2 GiB at 4 rows",
        _shown(span),
        "true, but for runs with 8-bit AdamW and checkpointing" if span[0] < 24 else "impossible",  # noqa: PLR2004
    )
    lora, qlora = _span(small, "LoRA"), _span(small, "QLoRA")
    yield Claim(
        62,
        "S0:4",
        "3B: LoRA on 16 GB, QLoRA on 8 GB",
        "lean to roomy; PEFT's benchmark measured 20.8 GiB for LoRA at 4 rows of up to 768 tokens",
        f"LoRA {_shown(lora)}, QLoRA {_shown(qlora)}",
        "depends on batch, length and checkpointing",
    )
    spans = {kind: _span(large, kind) for kind in ("LoRA", "QLoRA")}
    ratios = [big / few for big, few in zip(spans["LoRA"], spans["QLoRA"], strict=True)]
    yield Claim(
        63,
        "S2:393",
        "QLoRA takes LoRA's memory / 3.5-4; the guide's own table has 2.7",
        "Llama-3.1-8B, lean and roomy",
        f"/ {ratios[0]:.1f} lean, / {ratios[1]:.1f} roomy",
        "too much: activations and embeddings do not shrink",
    )
    shorter, longer = (
        footprint(lean(large, **KINDS["QLoRA"][0], batch=4, length=length, chunked_loss=False)).peak / GB
        for length in (512, 1024)
    )
    yield Claim(
        64,
        "S2:65",
        "long batches spike to 14-15 GB where 10-12 were estimated; keep 15-20 % free",
        "Llama-3.1-8B, QLoRA, checkpointing, 4 rows, whole logits",
        f"512 tokens {shorter:.1f} GB, 1,024 tokens {longer:.1f} GB",
        "right in kind: predict with the longest row, as `plan` does",
    )


def _advice(small: Shape, large: Shape) -> Iterator[Claim]:
    one = footprint(roomy(large))
    many = footprint(roomy(large, accumulating=True))
    yield Claim(
        65,
        "S2:65",
        "out of memory: reduce gradient accumulation",
        "Llama-3.1-8B, LoRA, roomy",
        f"accumulation costs {(many.peak - one.peak) / GB:.2f} of {one.peak / GB:.1f} GB, whatever its number",
        "wrong: reduce batch or length, or checkpoint; never suggested here",
    )
    before = footprint(lean(small)).peak
    changes: tuple[tuple[str, dict[str, object]], ...] = (
        ("length 256", {"length": 256}),
        ("attention only", {"targets": ("q_proj", "k_proj", "v_proj", "o_proj")}),
        ("rank 8", {"rank": 8}),
    )
    saved = ", ".join(
        f"{name} {(before - footprint(lean(small, **change)).peak) / 2**20:.0f} MiB" for name, change in changes
    )
    yield Claim(
        66,
        "S0:210-211",
        "out of memory at batch 1: shorter rows, fewer targets, checkpointing, lower lora_alpha",
        f"Llama-3.2-3B, LoRA, lean, {before / GB:.1f} GB",
        f"saves {saved}; alpha 0",
        "all but alpha, which only scales; never suggested here",
    )


def _largest_batch(setup: Callable[[int], Setup], memory: int) -> int:
    batch = 1
    while footprint(setup(batch + 1)).peak <= memory:
        batch += 1
    return batch


def _levers(shape: Shape) -> Iterator[Claim]:
    memory = 24 * GB
    batches = [
        _largest_batch(lambda batch, on=on: Setup(shape, batch=batch, length=512, checkpointing=on), memory)  # type: ignore[misc]
        for on in (False, True)
    ]
    rates = [default_rate(Setup(shape, batch=32, length=512, checkpointing=on)) for on in (False, True)]
    yield Claim(
        67,
        "S1:129",
        "checkpointing: 2-3x the batch, about 20 % slower",
        "Llama-3.2-3B, LoRA, rows of 512 tokens, 24 GB, tiled logits; tokens/s on one H200",
        f"{batches[0]} -> {batches[1]} rows, {batches[1] / batches[0]:.0f}x; {1 - rates[1] / rates[0]:.0%} slower",
        "more room and more time than said; torchtune measured 21 % fewer tokens/s",
    )
    whole = footprint(lean(shape, **KINDS["full"][0], optimizer="adamw", batch=2, length=2048, chunked_loss=False)).peak
    eight = footprint(lean(shape, **KINDS["full"][0], batch=2, length=2048, chunked_loss=False)).peak
    tiled = footprint(lean(shape, **KINDS["full"][0], optimizer="adamw", batch=2, length=2048)).peak
    yield Claim(
        68,
        "S0:120",
        "paged and 8-bit optimisers save memory (torchtune measured -19.6 % for 8-bit, -16 % for tiled logits)",
        "Llama-3.2-3B, full fine-tuning in bf16, 2 rows of 2,048 tokens, checkpointing",
        f"8-bit {100 * (eight / whole - 1):.0f} %, tiled logits {100 * (tiled / whole - 1):.0f} %",
        "true for full fine-tuning; for adapters see row 48",
    )
