"""How float32 matrices are multiplied: said truly for each device, and part of what an answer depends on."""

import pytest
import torch

from harness.arithmetic import float32_products
from harness.backends.hf import HfBackend


@pytest.fixture
def products():
    """Call with torch's word for the precision; exact again afterwards."""
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("word", "gpu", "cpu"), [("highest", "ieee", "ieee"), ("high", "tf32", "tf32"), ("medium", "tf32", "bf16")]
)
def test_each_device_has_its_own_precision(products, word, gpu, cpu):
    """A GPU has nothing below TF32, a CPU multiplies in bfloat16."""
    assert float32_products("cpu") == "ieee"  # as torch starts
    products(word)
    assert (float32_products("cuda:0"), float32_products("cpu")) == (gpu, cpu)


def test_the_newer_name_is_read_too(products):
    """Somebody who switches TF32 on by the newer name is seen, where asking by the older one raises."""
    products("highest")
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with pytest.raises(RuntimeError, match="mix of the legacy and new"):
        torch.get_float32_matmul_precision()
    assert (float32_products("cuda"), float32_products("cpu")) == ("tf32", "ieee")


def test_stored_answers_belong_to_their_precision(products):
    """It enters the engine's policy, which is part of every stored answer's key and of the run's environment."""
    exact = HfBackend("cpu", 8).policy()
    products("medium")
    other = HfBackend("cpu", 8).policy()
    assert {name for name in exact if exact[name] != other[name]} == {"float32_products"}
    assert (exact["float32_products"], exact["use_cache"]) == ("ieee", "true")
