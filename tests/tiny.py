"""Tiny models made on the spot: a random Llama of 90,000 parameters, its byte-level tokenizer, and LoRA adapters.

A test that needs real plumbing (files, templates, adapters, batches) and no skill uses these; each takes
well under a second to make. Nothing here is downloaded, and the same seed gives the same weights.
"""

from pathlib import Path
from typing import Any

from harness.quiet import quiet

__all__ = ["CHAT_TEMPLATE", "make_adapter", "make_base", "make_tokenizer"]

PAD, BOS, EOS = "<|pad|>", "<|begin|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' }}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer(*, chat_template: str | None = CHAT_TEMPLATE, pad_token: str | None = PAD) -> Any:
    """A byte-level tokenizer of 262 tokens: 6 special ones, then the 256 bytes.

    Args:
        chat_template: Jinja text with generation markers, or None for a tokenizer without template.
        pad_token: `<|pad|>`; give `<|end|>` to make the pad = eos mistake, None for no pad at all.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = [PAD, BOS, EOS, *ROLES, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, BOS, EOS, *ROLES])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=pad_token,
        padding_side="left",
        additional_special_tokens=list(ROLES),
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def make_base(folder: Path, seed: int = 0, *, tokenizer: Any = None, **config: Any) -> Path:
    """Write a random Llama (2 layers, hidden 64, context 1,024) with tokenizer into `folder`, and return it.

    Args:
        folder: made if missing.
        seed: of the weights.
        tokenizer: another one than `make_tokenizer()`.
        **config: overrides of `LlamaConfig`, such as `vocab_size=300`.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tokenizer or make_tokenizer()
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,  # 64 divides both, as the blocks of 4-bit weights need
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.5,  # wide, so that greedy answers differ from prompt to prompt
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig(**(shape | config))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path, seed: int = 0, *, scale: float = 0.5, **config: Any) -> Path:
    """Write a random LoRA adapter for `base` (rank 4, all linear layers) into `folder`, and return it.

    Args:
        base: a folder made by `make_base`.
        folder: made if missing.
        seed: of both factors.
        scale: standard deviation of the B factors; 0 makes an adapter without effect.
        **config: overrides of `LoraConfig`.
    """
    import torch
    from transformers import AutoModelForCausalLM

    lora: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    with torch.random.fork_rng(), quiet():
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**(lora | config)))
        for name, tensor in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(tensor, std=scale) if scale else torch.nn.init.zeros_(tensor)
    model.save_pretrained(folder)
    return folder
