"""What vLLM serves: plain LoRA of a rank that it was told of."""

import json

import pytest

from harness.serving import adapter_shape, rank_flag, served_by_vllm


@pytest.mark.parametrize(
    ("rank", "flag"),
    [(1, ""), (16, ""), (17, "--max-lora-rank 32"), (32, "--max-lora-rank 32"), (257, "--max-lora-rank 320")],
)
def test_a_rank_needs_the_next_limit_that_vllm_takes(rank, flag):
    """The default is 16, and only some numbers are taken above it."""
    assert rank_flag(rank) == flag


def test_no_limit_is_large_enough():
    """512 is the last."""
    assert rank_flag(512) == "--max-lora-rank 512"
    with pytest.raises(ValueError, match="above 512"):
        rank_flag(513)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "yes, with --enable-lora (rank 8)"),
        ({"use_rslora": True, "modules_to_save": None, "rank_pattern": {}}, "yes, with --enable-lora (rank 8)"),
        ({"r": 64}, "yes, with --enable-lora --max-lora-rank 64 (rank 64)"),
        ({"r": 600}, "no: its rank 600 is above 512; merge it first"),
        ({"use_dora": True}, "no: it is a DoRA; merge it first"),
        ({"bias": "lora_only"}, "no: it trains biases; merge it first"),
        ({"modules_to_save": ["lm_head"]}, "no: it trains whole modules"),
        ({"alpha_pattern": {"q_proj": 4}}, "no: it has ranks or scales of single layers"),
        ({"use_dora": True, "bias": "all"}, "no: it is a DoRA, and it trains biases; merge"),
        ({"r": None}, "not known"),
        ({"r": True}, "not known"),
    ],
)
def test_only_plain_lora_is_served(change, said):
    """Each thing that vLLM refuses, or would serve with another scale, is named with the way out."""
    assert served_by_vllm({"r": 8, "bias": "none", **change}).startswith(said)


def test_the_shape_is_read_from_the_folder(tmp_path):
    """Only what decides, and nothing when there is no such file or it is no object."""
    assert adapter_shape(tmp_path) is None
    file = tmp_path / "adapter_config.json"
    for content in ("{", "[]", "\udcff"):
        file.write_text(content, errors="surrogateescape")
        assert adapter_shape(tmp_path) is None
    file.write_text(json.dumps({"r": 8, "use_dora": False, "base_model_name_or_path": "/home/somebody/base"}))
    assert adapter_shape(tmp_path) == {"r": 8, "use_dora": False}
