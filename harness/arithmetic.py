"""How exactly float32 matrices are multiplied: a setting of the process that no configuration of ours names."""

__all__ = ["float32_products"]


def float32_products(device: str) -> str:
    """What torch multiplies float32 matrices in: `ieee` (exact), `tf32` (10 bits of mantissa) or `bf16` (7).

    Products of bfloat16 matrices are what they are, whatever this says.

    Args:
        device: a torch device such as `cpu` or `cuda:0`.
    """
    import torch

    # The older `allow_tf32` raises where somebody has used these newer names, and knows no CPU.
    backend = torch.backends.cuda if device.startswith("cuda") else torch.backends.mkldnn
    found = str(backend.matmul.fp32_precision)
    return "ieee" if found == "none" else found
