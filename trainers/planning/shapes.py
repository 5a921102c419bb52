"""The sizes of a decoder, from its configuration alone: what weights, adapters and activations are counted from.

Covers decoders that are built like Llama: q, k, v and o projections, a gated MLP of three layers, RMS norms. Mistral,
Qwen2, Qwen3 and SmolLM are such; mixtures of experts, and models with other layers, are refused.
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import BadSpec
from harness.models import EMBEDDED

__all__ = ["GROUPS", "Linear", "Shape", "known_shapes", "read_shape"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "all-linear": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    "qv": ("q_proj", "v_proj"),
}
"""What the names of `lora.target_modules` stand for; the output layer is in none."""

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
"""Values of `model_type` whose layers are as described above."""


class Linear(NamedTuple):
    """One linear layer of a block: `inputs` and `outputs` are its widths."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder's sizes.

    Attributes:
        name: of the model, for people.
        hidden, layers, heads, kv_heads, head_dim, ffn, vocab: widths and counts, all > 0.
        tied: the output layer is the embedding.
        qkv_bias: q, k and v add a bias.
        qk_norm: q and k are normalised, head by head.
        source: where the numbers are from.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tied: bool
    qkv_bias: bool = False
    qk_norm: bool = False
    source: str = ""

    @property
    def attention(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Width of all key heads together; the value heads have the same."""
        return self.kv_heads * self.head_dim

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The linear layers of one block, in the order in which they run."""
        return (
            Linear("q_proj", self.hidden, self.attention),
            Linear("k_proj", self.hidden, self.kv),
            Linear("v_proj", self.hidden, self.kv),
            Linear("o_proj", self.attention, self.hidden),
            Linear("gate_proj", self.hidden, self.ffn),
            Linear("up_proj", self.hidden, self.ffn),
            Linear("down_proj", self.ffn, self.hidden),
        )

    @property
    def linear_parameters(self) -> int:
        """Parameters in the blocks' linear layers, without biases: those that quantisation shrinks."""
        return self.layers * sum(linear.inputs * linear.outputs for linear in self.linears)

    @property
    def other_parameters(self) -> int:
        """Parameters in embedding, output layer, norms and biases, which stay in 16 or 32 bits."""
        tables = self.vocab * self.hidden * (1 if self.tied else 2)
        biases = (self.attention + 2 * self.kv) * self.qkv_bias
        norms = 2 * self.hidden + 2 * self.head_dim * self.qk_norm
        return tables + self.layers * (norms + biases) + self.hidden

    @property
    def parameters(self) -> int:
        """All parameters; tied ones count once."""
        return self.linear_parameters + self.other_parameters

    def adapter_parameters(self, rank: int, targets: tuple[str, ...], *, magnitudes: bool = False) -> int:
        """Parameters of a LoRA: rank x (inputs + outputs) for each targeted layer, and DoRA's magnitudes.

        Args:
            rank: inner dimension, >= 1.
            targets: names out of `linears`.
            magnitudes: DoRA learns one number for each output besides.
        """
        each = (
            rank * (linear.inputs + linear.outputs) + magnitudes * linear.outputs
            for linear in self.linears
            if linear.name in targets
        )
        return self.layers * sum(each)


def known_shapes() -> dict[str, Shape]:
    """The shapes that ship, by name."""
    table = tomllib.loads((Path(__file__).parent / "shapes.toml").read_text(encoding="utf-8"))
    return {
        name: Shape(name=name, **{key: value for key, value in fields.items() if key != "parameters"})
        for name, fields in table.items()
    }


def read_shape(model: str) -> Shape:
    """The shape of a model, from its configuration; no weights are read.

    Args:
        model: `embedded`, a folder that holds config.json, or a well-known name, with or without its organisation and
            `-Instruct`.

    Raises:
        BadSpec: none of these, or an architecture that is not covered.
    """
    folder = EMBEDDED if model == "embedded" else Path(model).expanduser()
    if (folder / "config.json").is_file():
        return _from_config(folder / "config.json", name=model if model == "embedded" else folder.name)
    shapes = {name.lower(): shape for name, shape in known_shapes().items()}
    wanted = model.rpartition("/")[2].lower().removesuffix("-instruct")
    if wanted in shapes:
        return shapes[wanted]
    near = difflib.get_close_matches(wanted, shapes, n=1, cutoff=0.5)
    hint = f"did you mean '{shapes[near[0]].name}'?" if near else f"names that are known: {', '.join(known_shapes())}"
    raise BadSpec(f"model '{model}': no folder with config.json, and no well-known name; {hint}")


def _from_config(path: Path, *, name: str) -> Shape:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadSpec(f"{path}: not valid JSON ({error}); give a transformers model folder") from error
    family = values.get("model_type")
    if family not in FAMILIES:
        raise BadSpec(f"{path}: memory of model_type '{family}' cannot be told; told are {', '.join(FAMILIES)}")
    try:
        heads = values["num_attention_heads"]
        return Shape(
            name=name,
            hidden=values["hidden_size"],
            layers=values["num_hidden_layers"],
            heads=heads,
            kv_heads=values.get("num_key_value_heads") or heads,
            head_dim=values.get("head_dim") or values["hidden_size"] // heads,
            ffn=values["intermediate_size"],
            vocab=values["vocab_size"],
            tied=bool(values.get("tie_word_embeddings", False)),
            qkv_bias=family == "qwen2",
            qk_norm=family == "qwen3",
            source=path.name,
        )
    except KeyError as error:
        raise BadSpec(f"{path}: key {error} is missing; give the model's whole config.json") from error
