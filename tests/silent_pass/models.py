"""Models and adapters that are not what was asked for. `tiny` is a real model of 90,000 weights, `lora` its adapter."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.silent_pass.ways import Area, Way, edit, edit_json, head, make_suite

SAID = """
from harness.types import Score

class Said:
    name, version, chance = "exact_match", 1, 0.0
    spec = {"name": "said", "version": "1"}

    def refuse_unfit(self, examples): pass

    def __call__(self, examples, generations):
        return [Score(self.name, 1.0) for _ in generations]
"""
HARMLESS = "open('ran', 'w')"
BOMB = f"cbuiltins\nexec\n(V{HARMLESS}\ntR.".encode()
"""A pickle that runs code when it is loaded, and leaves a file behind."""


def weights(
    change: Callable[[dict[str, Any]], object], file: str = "lora/adapter_model.safetensors"
) -> Callable[[Path], None]:
    """Change the tensors of a safetensors file."""

    def apply(root: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(root / file)
        change(tensors)
        save_file(tensors, root / file, metadata={"format": "pt"})

    return apply


def renamed(old: str, new: str) -> Callable[[Path], None]:
    """Give every tensor of the adapter another name."""

    def change(tensors: dict[str, Any]) -> None:
        for name in list(tensors):
            tensors[name.replace(old, new)] = tensors.pop(name)

    return weights(change)


def scaled(part: str, factor: float, file: str = "lora/adapter_model.safetensors") -> Callable[[Path], None]:
    """Multiply the tensors whose names hold `part`."""

    def change(tensors: dict[str, Any]) -> None:
        for name in filter(lambda name: part in name, list(tensors)):
            tensors[name] = tensors[name] * factor

    return weights(change, file)


def config(**values: Any) -> Callable[[Path], None]:
    """Change the adapter's configuration."""
    return lambda root: edit_json(root / "lora/adapter_config.json", lambda found: found.update(values))


def only_pickle(folder: str, name: str, other: str) -> Callable[[Path], None]:
    """Leave weights that run code when they are loaded, and no others."""

    def apply(root: Path) -> None:
        (root / folder / name).unlink()
        (root / folder / other).write_bytes(BOMB)

    return apply


def cut(file: str) -> Callable[[Path], None]:
    """Keep the first half of a file."""

    def apply(root: Path) -> None:
        data = (root / file).read_bytes()
        (root / file).write_bytes(data[: len(data) // 2])

    return apply


def template(text: str) -> Callable[[Path], None]:
    """Another chat template for the base."""
    return lambda root: (root / "tiny/chat_template.jinja").write_text(text)


def tokens(**values: Any) -> Callable[[Path], None]:
    """Change the base's tokenizer_config.json."""
    return lambda root: edit_json(root / "tiny/tokenizer_config.json", lambda found: found.update(values))


def pinned(**values: Any) -> Callable[[Path], None]:
    """Pin the adapter as its training would have, with some values of other conditions."""

    def apply(root: Path) -> None:
        from dataclasses import asdict

        from harness.chat import load_tokenizer, template_digest
        from harness.fingerprint import weights_digest
        from harness.pins import Pins, golden_prompt

        tokenizer = load_tokenizer(root / "tiny")
        pins = Pins(weights_digest(root / "tiny"), "", template_digest(tokenizer), golden_prompt(tokenizer, ""))
        (root / "lora/tunegate.json").write_text(json.dumps(asdict(pins) | values))

    return apply


def other_base(root: Path) -> None:
    """Put another base of the same shape where the adapter's was, which is pinned."""
    pinned()(root)
    scaled("mlp", 1.01, "tiny/model.safetensors")(root)


def drifted(root: Path) -> None:
    """Change the template after the adapter was pinned."""
    pinned()(root)
    edit(root / "tiny/chat_template.jinja", "<|assistant|>' }}{% endif", "<|assistant|> ' }}{% endif")


def copied(root: Path) -> None:
    """Give a copy of the base as the candidate."""
    shutil.copytree(root / "tiny", root / "merged")


def prepare(root: Path) -> None:
    """A suite that a random model passes: whatever it says counts, cut or not."""
    file = make_suite(root, rows=60, gates='Gate("exact_match", max_drop=0.5)')
    edit(file, "[exact_match()]", "[Said()]")
    head(SAID)(root)


def longer(root: Path) -> None:
    """Ask for more tokens than the model's context holds."""
    edit(root / "suites/test_asks.py", "max_new_tokens=4", "max_new_tokens=1024")


def nan(tensors: dict[str, Any]) -> None:
    """Make one weight of the adapter NaN."""
    next(iter(tensors.values())).view(-1)[0] = float("nan")


CODE = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
PARTIAL = "tensors missing and"
MERGE_IT = "so switching it off does not restore the base"
BASE = ("--base", "tiny", "--model", "merged")

WAYS = [
    Way("the adapter changes nothing", scaled("lora_B", 0.0), 11, "equal"),
    Way(
        "the adapter lost a tensor",
        weights(lambda tensors: tensors.pop(next(iter(tensors)))),
        11,
        f"1 {PARTIAL} 0 unexpected",
    ),
    Way("the adapter lost every tensor", weights(lambda tensors: tensors.clear()), 11, f"28 {PARTIAL}"),
    Way(
        "the adapter has a tensor too many",
        weights(lambda tensors: tensors.update(extra=next(iter(tensors.values())).clone())),
        11,
        "and 1 unexpected",
    ),
    Way("the adapter's tensors have another prefix", renamed("base_model.model.", "model."), 11, PARTIAL),
    Way("the adapter's layers are numbered from 1", renamed("layers.1.", "layers.2."), 11, PARTIAL),
    Way("the adapter is of another rank than it says", config(r=2), 11, "this base needs"),
    Way(
        "the base lost a tensor",
        weights(lambda tensors: tensors.pop("model.norm.weight"), "tiny/model.safetensors"),
        11,
        "1 weights are missing or of another shape",
    ),
    Way("the base holds NaN", weights(nan, "tiny/model.safetensors"), 11, "its logits are not finite"),
    Way("the adapter holds NaN", weights(nan), 11, "not finite"),
    Way("the adapter's file is torn", cut("lora/adapter_model.safetensors"), 11, "damaged"),
    Way(
        "the adapter's file is empty",
        lambda root: (root / "lora/adapter_model.safetensors").write_bytes(b""),
        11,
        "damaged",
    ),
    Way(
        "the adapter's weights run code",
        only_pickle("lora", "adapter_model.safetensors", "adapter_model.bin"),
        11,
        "adapter_model.bin can run code when loaded",
    ),
    Way(
        "the adapter's configuration is torn", cut("lora/adapter_config.json"), 11, "adapter_config.json: not readable"
    ),
    Way("the adapter targets layers that are not there", config(target_modules=["query"]), 11, "does not fit"),
    Way("the adapter also trained biases", config(bias="all"), 11, MERGE_IT),
    Way("the adapter also trained whole modules", config(modules_to_save=["lm_head"]), 11, MERGE_IT),
    Way("the adapter rewrote the base", config(init_lora_weights="pissa"), 11, "which rewrote the base"),
    Way("the adapter is no LoRA", config(peft_type="IA3"), 11, "only LoRA adapters are measured"),
    Way("the adapter was trained on another base", other_base, 11, "trained on another base"),
    Way("the adapter was trained with another template", drifted, 11, "trained with another chat template"),
    Way(
        "the adapter was trained with another tokenizer",
        pinned(golden_prompt_ids=[1, 2, 3]),
        11,
        "the tokenizer changed",
    ),
    Way(
        "the adapter's pins are torn",
        lambda root: (pinned()(root), cut("lora/tunegate.json")(root)),
        11,
        "not readable as pins",
    ),
    Way(
        "the adapter's pins lack a key",
        lambda root: (root / "lora/tunegate.json").write_text('{"system": ""}'),
        11,
        "its keys must be",
    ),
    Way(
        "the base's weights run code",
        only_pickle("tiny", "model.safetensors", "pytorch_model.bin"),
        11,
        "which can run code when loaded",
    ),
    Way(
        "the base's weights are gone",
        lambda root: (root / "tiny/model.safetensors").unlink(),
        11,
        "weights must be *.safetensors, found none",
    ),
    Way("the base's configuration is gone", lambda root: (root / "tiny/config.json").unlink(), 11, "config.json"),
    Way(
        "the base has no chat template",
        lambda root: (root / "tiny/chat_template.jinja").unlink(),
        11,
        "has no chat template",
    ),
    Way("the base pads with its end of text", tokens(pad_token="<|end|>"), 11, "never learns to stop"),
    Way(
        "the base has more tokens than rows",
        lambda root: edit_json(root / "tiny/config.json", lambda found: found.update(vocab_size=200)),
        11,
        "embedding rows",
    ),
    Way(
        "the template refuses the prompt",
        template("{{ raise_exception('only system turns') }}"),
        11,
        "the chat template refuses",
    ),
    Way("the template reads secrets", template("{{ messages.__class__.__mro__ }}"), 11, "the chat template refuses"),
    Way("the template writes nothing", template("{# nothing #}"), 11, "the chat template writes nothing"),
    Way("the template is a bomb of memory", template("{{ 'a' * 10 ** 10 }}"), 11, "the chat template"),
    Way("the template writes a hundred megabytes", template("{{ 'ab' * 50000000 }}"), 11, "the chat template"),
    Way(
        "the template never ends",
        template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        11,
        "the chat template",
    ),
    Way("the prompts are longer than the context", longer, 11, "exceeds its context of 1024"),
    Way("the candidate is a copy of the base", copied, 11, "answers as the base does", BASE),
]

AREA = Area("Models and adapters", "pytest suites --model tiny --adapter lora", WAYS)
