"""Decoding is right for every way a model may know where a token stands and remember what came before."""

import random

import pytest
import torch
import transformers

from harness.backends import Prompt
from harness.backends._decode import decode
from harness.errors import ModelProblem
from harness.types import Sampling

SIZES = {
    "vocab_size": 262,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.5,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
CONFIGS = {
    "learned positions": lambda: transformers.GPT2Config(
        vocab_size=262, n_embd=64, n_layer=2, n_head=4, n_positions=128, initializer_range=0.5, eos_token_id=2
    ),
    "sliding window": lambda: transformers.Gemma3TextConfig(
        **SIZES, sliding_window=8, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=16
    ),
    "convolutions": lambda: transformers.Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]),
}
STOPS = frozenset({2, *range(40, 60)})


@pytest.fixture(scope="module")
def prompts():
    """Prompts of 2 to 30 random tokens."""
    draw = random.Random(0)
    return [Prompt("", tuple(draw.choices(range(6, 262), k=draw.randint(2, 30)))) for _ in range(12)]


def one_by_one(model, prompts):
    """What transformers answers to each prompt alone, greedily."""
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt.token_ids])
        settings = {"do_sample": False, "max_new_tokens": 12, "eos_token_id": sorted(STOPS), "pad_token_id": 0}
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
        answers.append(output[0, ids.shape[1] :].tolist())
    return answers


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_batch_answers_as_transformers_does_one_by_one(kind, prompts):
    """Padding on the left and rows that leave early change no token, whatever the architecture."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()).eval()
    expected = one_by_one(model, prompts)
    assert decode(model, prompts, Sampling(12), stop=STOPS) == expected
    assert len({len(answer) for answer in expected}) > 1


@pytest.mark.parametrize(("kind", "once"), [("learned positions", True), ("sliding window", False)])
def test_what_all_prompts_begin_with_is_read_once(kind, once, prompts):
    """One row reads the head but for a token, where one prompt is nothing else; a window is read by every row."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()).eval()
    head = tuple(range(100, 120))
    asked = [Prompt("", (*head, *prompt.token_ids)) for prompt in prompts]
    asked.append(Prompt("", head))
    expected, shapes = one_by_one(model, asked), []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple((args or (kwargs["input_ids"],))[0].shape)), with_kwargs=True
    )
    assert decode(model, asked, Sampling(12), stop=STOPS) == expected
    longest = max(len(prompt.token_ids) for prompt in asked)
    assert shapes[:2] == [(1, 19), (len(asked), longest - 19 if once else longest)]


def test_a_model_without_a_cache_that_can_shrink_is_refused(prompts):
    """Pure state-space models remember in another way."""
    config = transformers.Mamba2Config(
        vocab_size=262, hidden_size=64, num_heads=8, head_dim=16, state_size=16, n_groups=1, num_hidden_layers=1
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with pytest.raises(ModelProblem, match="keeps no key-value cache"):
        decode(model, prompts, Sampling(2), stop=STOPS)
