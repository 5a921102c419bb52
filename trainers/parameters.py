"""How many numbers an adapter trains, counted from the layers that it should target and nothing else.

Training compares the count with what PEFT has made: a configuration that is printed and not run shows here.
"""

from trainers.bases import Model, linear_names
from trainers.sections import Lora

__all__ = ["predicted_parameters"]


def predicted_parameters(model: Model, lora: Lora) -> int:
    """Numbers in A (rank x in) and B (out x rank) of every targeted layer, and DoRA's magnitudes (out).

    Args:
        model: a base without adapter; on the meta device its configuration alone is enough.
        lora: what the adapter is.

    Raises:
        BadSpec: `lora.target_modules` names what the model has not.
    """
    names = linear_names(model, lora.target_modules)
    output = model.get_output_embeddings()
    layers = [
        layer
        for name, layer in model.named_modules()
        if getattr(layer, "in_features", 0)
        and layer is not output
        and (names == "all-linear" or name.rpartition(".")[2] in names)
    ]
    magnitudes: int = sum(layer.out_features for layer in layers) if lora.variant == "dora" else 0
    factors: int = sum(lora.rank * (layer.in_features + layer.out_features) for layer in layers)
    return factors + magnitudes
