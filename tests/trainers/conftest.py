"""One tiny base for all tests of the trainers, and a configuration that trains on it in a second."""

import json
from pathlib import Path

import pytest

from tests.tiny import make_base
from trainers.config import TrainConfig

ROWS = [
    {"input": f"Say {word} as JSON.", "output": {"word": word, "length": len(word)}}
    for word in ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew")
]


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    """A random tiny Llama with its tokenizer."""
    return make_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def overflowing_base(tmp_path) -> Path:
    """A base whose weights are so large that its first loss is NaN."""
    from safetensors.torch import load_file, save_file

    folder = make_base(tmp_path / "overflowing")
    weights = load_file(folder / "model.safetensors")
    scaled = {name: tensor * 1e25 for name, tensor in weights.items()}
    save_file(scaled, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def data(tmp_path) -> Path:
    """Twelve rows in the form of the suites' data."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def config(base, data) -> TrainConfig:
    """Three steps over the twelve rows."""
    return TrainConfig.model_validate(
        {
            "model": str(base),
            "data": data,
            "system": "Answer with JSON.",
            "batch_size": 4,
            "max_length": 256,
            "lora": {"rank": 4, "alpha": 8},
            "optim": {"learning_rate": 0.01, "warmup": 0.0},
        }
    )
