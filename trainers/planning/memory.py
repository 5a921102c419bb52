"""What training needs on a GPU, predicted from shapes alone: bytes by component, at the moment that needs most.

A step passes through four moments, and the peak is the largest of them, not their sum:

    loss       weights, optimiser, all saved activations, logits and their gradient
    backward   weights, optimiser, all saved activations, one block's recomputation and gradients
    gradients  weights, optimiser, all gradients, one block's activations
    step       weights, optimiser, all gradients, the optimiser's temporary copy

The counts follow what PyTorch's autograd keeps for transformers 5 and PEFT 0.21 with sdpa attention under bf16
autocast; tests compare them, tensor by tensor, with a step that is run. Symbols: T tokens in a batch, h hidden, a all
query heads, k all key heads, f the MLP's width, V vocabulary, e bytes of one activation (2 or 4).
"""

from dataclasses import dataclass, fields
from typing import Literal

from trainers.planning.shapes import GROUPS, Shape

__all__ = ["Components", "Footprint", "Setup", "footprint"]

CUDA_CONTEXT = 512 * 2**20
"""Bytes that the driver and loaded kernels take outside the allocator; a round figure, 0.3-0.6 GiB on recent GPUs."""
CUBLAS_WORKSPACE = 32 * 2**20
"""PyTorch's default for cuBLAS on Hopper (8 MiB on older GPUs); it lies in the allocator."""
FRAGMENTATION = 0.10
"""Share of short-lived tensors that the caching allocator reserves in vain: the least, in steps of 0.01, that leaves no
measured point of docs/memory_points.json more than 5 % short; half as much is usual."""
NF4_BLOCK, ABSMAX_BLOCK = 64, 256
"""Weights that share a scale, and scales that share one in double quantisation (QLoRA, arXiv 2305.14314)."""
TILE_TOKENS, TILE_VOCAB = 4096, 32768
"""The part of the logits that TRL 1.16 holds at a time."""
DTYPE_BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Setup:
    """All that decides the memory of a run, in plain values.

    Attributes:
        shape: of the base.
        method: `lora`, or `full` for training every weight.
        quantization: of the frozen linear layers.
        double_quantization: of the 4-bit scales.
        rank, targets, dora, dropout: of the adapter; `dropout` says whether there is any.
        trained_dtype: of what is trained, its gradients and AdamW's two states.
        compute_dtype: of activations and of frozen weights that are not quantised.
        autocast: casts happen at each operation; if not, PEFT keeps inputs of fp32 adapters in fp32.
        batch: rows in one forward pass.
        length: tokens in a row, padding included.
        masked: rows are padded or packed, so that attention gets a mask, and keys are repeated for every query head.
        packed: all rows lie in one line of batch x length tokens, with one mask over all of it.
        checkpointing: only each block's input is kept.
        chunked_loss: logits exist tile by tile only (TRL 1.16); if not, whole, as in a plain loop.
        optimizer: `adamw` or `adamw_8bit`. Paged states count too: they leave the GPU only when it is full.
        accumulating: gradients outlive a forward pass.
    """

    shape: Shape
    method: Literal["lora", "full"] = "lora"
    quantization: Literal["none", "int8", "nf4", "fp4"] = "none"
    double_quantization: bool = True
    rank: int = 16
    targets: tuple[str, ...] = GROUPS["all-linear"]
    dora: bool = False
    dropout: bool = False
    trained_dtype: Literal["float32", "bfloat16"] = "float32"
    compute_dtype: Literal["float32", "bfloat16"] = "bfloat16"
    autocast: bool = True
    batch: int = 1
    length: int = 1024
    masked: bool = True
    packed: bool = False
    checkpointing: bool = False
    chunked_loss: bool = True
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    accumulating: bool = False

    @property
    def tokens(self) -> int:
        """Tokens in one forward pass."""
        return self.batch * self.length

    @property
    def width(self) -> int:
        """Bytes of one activation."""
        return DTYPE_BYTES[self.compute_dtype]

    @property
    def cast(self) -> bool:
        """Whether what is trained is wider than the arithmetic, so that inputs and weights are copied to cast them."""
        return DTYPE_BYTES[self.trained_dtype] > self.width and self.quantization == "none"

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        if self.method == "full":
            return self.shape.parameters
        return self.shape.adapter_parameters(self.rank, self.targets, magnitudes=self.dora)


@dataclass(frozen=True, slots=True)
class Components:
    """Bytes at the peak, by what they hold; their sum is the peak.

    Attributes:
        weights: the base, in the precision it is held in.
        constants: scales of quantisation.
        adapter: the adapter's weights; 0 in full fine-tuning.
        gradients: alive at the peak.
        optimizer: AdamW's states.
        activations: kept for the backward pass, at the peak, with autocast's copies of trained weights.
        logits: logits and their gradient, at the peak.
        buffers: of the moment: gradients of activations, dequantised weights, temporary copies, cuBLAS's workspace.
        runtime: the CUDA context, and what the allocator reserves in vain.
    """

    weights: int
    constants: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    buffers: int
    runtime: int

    @property
    def total(self) -> int:
        """Bytes on the GPU."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Footprint:
    """A prediction.

    Attributes:
        components: at the peak.
        moment: when the peak is: `loss`, `backward`, `gradients` or `step`.
        allocated: bytes in tensors at the peak, comparable to `torch.cuda.max_memory_allocated`.
        moments: bytes in tensors at each moment.
        trainable: parameters that are trained.
        parameters: of base and adapter together.
    """

    components: Components
    moment: str
    allocated: int
    moments: tuple[tuple[str, int], ...]
    trainable: int
    parameters: int

    @property
    def peak(self) -> int:
        """Bytes that the GPU must have."""
        return self.components.total

    @property
    def reserved(self) -> int:
        """Bytes in the allocator, comparable to `torch.cuda.max_memory_reserved`."""
        return self.peak - CUDA_CONTEXT


def footprint(setup: Setup) -> Footprint:
    """Predict the memory of one training step.

    Args:
        setup: of the run; batch, length and rank >= 1.

    Returns:
        Bytes at the peak. Deterministic, and read from shapes alone.
    """
    weights, constants = _weights(setup)
    adapter, gradients, states = _trained(setup)
    kept = _kept(setup)
    carried = gradients if setup.accumulating else 0
    head = setup.shape.vocab * setup.shape.hidden * DTYPE_BYTES[setup.trained_dtype] if setup.method == "full" else 0
    block = _block(setup)
    recomputed = block if setup.checkpointing else 0
    passing = _passing(setup)
    # gradients, activations, logits, buffers
    moments = {
        "loss": (carried, kept, _logits(setup), head),
        "backward": (max(carried, head), kept + recomputed, _held_logits(setup), passing),
        "gradients": (gradients, block, 0, passing),
        "step": (gradients, 0, 0, _trained_bytes(setup) if setup.optimizer == "adamw" else 0),
    }
    moment = max(moments, key=lambda name: sum(moments[name]))
    alive, activations, logits, buffers = moments[moment]
    still = weights + constants + adapter + states + CUBLAS_WORKSPACE
    moving = sum(moments[moment])
    return Footprint(
        components=Components(
            weights=weights,
            constants=constants,
            adapter=adapter,
            gradients=alive,
            optimizer=states,
            activations=activations,
            logits=logits,
            buffers=buffers + CUBLAS_WORKSPACE,
            runtime=CUDA_CONTEXT + int(FRAGMENTATION * moving),
        ),
        moment=moment,
        allocated=still + moving,
        moments=tuple((name, still + sum(parts)) for name, parts in moments.items()),
        trainable=setup.trained,
        parameters=setup.shape.parameters + (setup.trained if setup.method == "lora" else 0),
    )


def _weights(setup: Setup) -> tuple[int, int]:
    """Bytes of the base, and of the scales of its quantised layers."""
    shape = setup.shape
    full = DTYPE_BYTES[setup.trained_dtype] if setup.method == "full" else setup.width
    other = shape.other_parameters * full
    if setup.quantization == "none":
        return shape.linear_parameters * full + other, 0
    if setup.quantization == "int8":
        return shape.linear_parameters + other, 4 * shape.layers * sum(linear.outputs for linear in shape.linears)
    scales = shape.linear_parameters // NF4_BLOCK
    constants = scales + 4 * (scales // ABSMAX_BLOCK) if setup.double_quantization else 4 * scales
    return shape.linear_parameters // 2 + other, constants


def _trained_bytes(setup: Setup) -> int:
    return setup.trained * DTYPE_BYTES[setup.trained_dtype]


def _trained(setup: Setup) -> tuple[int, int, int]:
    """Bytes of the adapter, of all gradients, and of the optimiser's states."""
    size = _trained_bytes(setup)
    # two states of 8 bits, and an fp32 scale of each for every 256 numbers
    states = 2 * size if setup.optimizer == "adamw" else setup.trained * 2 + setup.trained * 2 * 4 // ABSMAX_BLOCK
    return size if setup.method == "lora" else 0, size, states


def _inputs(setup: Setup) -> int:
    """Bytes a token that one block keeps of the inputs of its linear layers."""
    shape, e = setup.shape, setup.width
    inputs = {linear.name: linear.inputs for linear in shape.linears}
    targeted = sum(inputs[name] for name in setup.targets)
    # q, k and v read one tensor, gate and up another; attention keeps its own output, which o reads, anyway
    readers = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"), ("down_proj",))
    if setup.method == "full" or setup.quantization == "int8":  # int8 layers keep their inputs, trained or not
        return e * ((5 if setup.cast else 2) * shape.hidden + shape.ffn)
    if setup.cast:  # PEFT casts the input of each fp32 adapter anew
        kept = targeted * (e if setup.autocast else 4)
    else:
        kept = e * sum(inputs[group[0]] for group in readers if set(group) & set(setup.targets))
        kept += e * targeted if setup.dropout else 0
    return kept + (targeted if setup.dropout else 0)  # dropout keeps a mask of one byte


def _norms(setup: Setup) -> int:
    """Bytes a token that one block keeps for its norms: fp32 inputs and scales, and what a weight's gradient needs."""
    shape = setup.shape
    each = 4 * shape.hidden + 4
    if setup.method == "full":
        each += DTYPE_BYTES[setup.trained_dtype] * shape.hidden
    return 2 * each + (4 * (shape.attention + shape.kv) if shape.qk_norm else 0)


def _copies(setup: Setup) -> int:
    """Bytes of one block's trained weights as autocast has cast them."""
    if not (setup.cast and setup.autocast):
        return 0
    trained = setup.shape.linear_parameters if setup.method == "full" else setup.trained
    return setup.width * trained // setup.shape.layers


def _block(setup: Setup) -> int:
    """Bytes that one block keeps for its backward pass when nothing is recomputed."""
    shape, e = setup.shape, setup.width
    keys = shape.attention if setup.masked else shape.kv
    attention = e * (2 * shape.attention + 2 * keys) + 4 * shape.heads
    mlp = 3 * e * shape.ffn
    ranks = e * setup.rank * len(setup.targets) if setup.method == "lora" else 0
    outputs = sum(linear.outputs for linear in shape.linears if linear.name in setup.targets)
    dora = 2 * e * outputs if setup.dora and setup.method == "lora" else 0
    each = _norms(setup) + attention + mlp + ranks + dora + _inputs(setup)
    return setup.tokens * each + _mask(setup) * e + _copies(setup)


def _mask(setup: Setup) -> int:
    """Entries of the attention mask."""
    if not setup.masked:
        return 0
    return setup.tokens**2 if setup.packed else setup.batch * setup.length**2


def _kept(setup: Setup) -> int:
    """Bytes kept at the end of the forward pass: all blocks, embedding output and last norm."""
    shape = setup.shape
    stream = DTYPE_BYTES[setup.trained_dtype] if setup.method == "full" else setup.width  # of the residual sums
    ends = setup.tokens * shape.hidden * (4 + stream) + _mask(setup)
    if setup.method == "full" and setup.cast:
        ends += shape.vocab * shape.hidden * setup.width
    each = setup.tokens * stream * shape.hidden if setup.checkpointing else _block(setup)
    return shape.layers * each + ends


def _logits(setup: Setup) -> int:
    """Bytes of logits when their gradient is made."""
    shape, e = setup.shape, setup.width
    if setup.chunked_loss:
        tile = min(setup.tokens, TILE_TOKENS) * min(shape.vocab, TILE_VOCAB) * e
        table = 4 * shape.vocab * shape.hidden if setup.method == "full" else 0
        return tile + table + setup.tokens * shape.hidden * (2 * e + 4)
    # logits, their log-softmax in fp32, its gradient, and the gradient of the fp32 logits
    return setup.tokens * shape.vocab * (e + 3 * 4)


def _held_logits(setup: Setup) -> int:
    """Bytes of logits that are alive while the blocks go backward."""
    return 0 if setup.chunked_loss else setup.tokens * setup.shape.vocab * setup.width


def _passing(setup: Setup) -> int:
    """Bytes of what comes and goes within one block: gradients of its widest part, and dequantised weights."""
    shape, e = setup.shape, setup.width
    largest = max(linear.inputs * linear.outputs for linear in shape.linears)
    dense = 0 if setup.quantization == "none" else largest * e
    dense += 4 * 4 * largest if setup.dora else 0  # the merged weight in fp32, for its norm
    casts = setup.cast and setup.method == "lora"  # an adapter's input and its gradient pass through fp32 besides
    each = 3 * (shape.ffn + shape.hidden) if casts else 2 * shape.ffn + shape.hidden
    return setup.tokens * e * each + dense
