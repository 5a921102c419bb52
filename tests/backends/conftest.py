"""One tiny base and its adapters, made once for all tests of this folder; read-only."""

import random

import pytest

from harness.backends.hf import HfBackend
from harness.types import ModelRef
from tests.tiny import make_adapter, make_base


@pytest.fixture(scope="session")
def stops():
    """Ids that end an answer: <|end|>, and ten bytes, so that a random model ends some answers early."""
    return {2, *range(40, 50)}


@pytest.fixture(scope="session")
def base_folder(stops, tmp_path_factory):
    """A random base model."""
    return make_base(tmp_path_factory.mktemp("models") / "base", eos_token_id=sorted(stops))


@pytest.fixture(scope="session")
def adapter_folder(base_folder, tmp_path_factory):
    """A random LoRA adapter of that base."""
    return make_adapter(base_folder, tmp_path_factory.mktemp("adapters") / "lora", seed=1)


@pytest.fixture(scope="session")
def base(base_folder):
    """The base as a model to measure."""
    return ModelRef("base", str(base_folder))


@pytest.fixture(scope="session")
def candidate(base_folder, adapter_folder):
    """The adapter on its base as a model to measure."""
    return ModelRef("lora", str(base_folder), adapter=str(adapter_folder))


@pytest.fixture(scope="session")
def texts():
    """Forty prompts of 1 to 40 characters, some of equal length."""
    draw = random.Random(7)
    return ["".join(draw.choices("abc {}12", k=draw.randint(1, 40))) for _ in range(40)]


@pytest.fixture(scope="session")
def backend():
    """A backend with nothing particular about it."""
    return HfBackend("cpu", batch_size=16)


@pytest.fixture(scope="session")
def ask(texts):
    """Call with (backend, model, sampling): the generations to `texts`, in order."""

    def call(backend, model, sampling):
        answers = {}
        prompts = [backend.render(model, [{"role": "user", "content": text}]) for text in texts]
        backend.generate(model, prompts, sampling, answers.update)
        return [answers[index] for index in range(len(texts))]

    return call
