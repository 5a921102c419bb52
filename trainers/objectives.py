"""What is minimised, and in which order rows come: TRL's trainers with the few things changed that this project needs.

The order of the rows is a function of seed and epoch alone. transformers draws it from the global random state, which
a resumed run has in another place.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from trainers.bases import Model
from trainers.encode import IGNORED_LABEL

__all__ = ["Order", "orpo_classes", "orpo_trainer", "sft_trainer"]


def sft_trainer(*, seed: int, lengths: Sequence[int] | None) -> Any:  # noqa: ANN401  # a class of TRL
    """SFTTrainer, with a loss for CPU that computes logits only where an answer is learned.

    Args:
        seed: of the order of the rows.
        lengths: of the rows in tokens, to put rows of like length side by side; None when they are packed.
    """
    import torch
    from trl import SFTTrainer

    class AnswerTrainer(_repeatable(SFTTrainer, seed, lengths)):  # type: ignore[misc]  # TRL has no types
        """TRL's own loss scores every position on CPU, which takes a quarter of a small model's step."""

        def compute_loss(self, model: Model, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            """Mean negative log-likelihood over the learned tokens of the whole step, in nats."""
            if inputs["input_ids"].device.type != "cpu":
                return super().compute_loss(model, inputs, *args, **kwargs)
            labels = inputs.pop("labels")[:, 1:]  # (B, T-1): the label at t is predicted from position t
            kept = (labels != IGNORED_LABEL).any(dim=0).nonzero().squeeze(1)  # (K,)
            logits = model(**inputs, logits_to_keep=kept, use_cache=False).logits  # (B, K, V)
            total = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), labels[:, kept].flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
            )
            learned = kwargs.get("num_items_in_batch")
            return total / (learned if learned is not None else (labels != IGNORED_LABEL).sum())

    return AnswerTrainer


def orpo_trainer(*, seed: int, lengths: Sequence[int]) -> Any:  # noqa: ANN401  # a class of TRL
    """ORPOTrainer on rows that are tokenized already, with the prompt left out of the likelihood.

    TRL's own learns the prompt too, and averages over the tokens of a batch, so that accumulating gradients would
    weigh rows otherwise than one large batch does. Here each pair counts once.

    Args:
        seed: of the order of the rows.
        lengths: of the chosen rows in tokens.
    """
    _, trainer = orpo_classes()

    class PairTrainer(_repeatable(trainer, seed, lengths)):  # type: ignore[misc]  # TRL has no types
        """Loss of a pair: mean negative log-likelihood of the chosen answer, less beta times the log odds ratio."""

        def tokenize_row(self, feature: dict[str, Any], model: Model = None) -> dict[str, Any]:  # noqa: ARG002
            """Leave the row as it is."""
            return feature

        def concatenated_forward(self, model: Model, batch: dict[str, Any]) -> tuple[Any, ...]:
            """Replace the likelihood, the fifth value, by that of the chosen answers alone."""
            values = super().concatenated_forward(model, batch)
            return (*values[:4], -values[0].mean(), *values[5:])

    return PairTrainer


def orpo_classes() -> tuple[Any, Any]:
    """TRL's ORPOConfig and ORPOTrainer, without the notice that their interface may change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer
    return ORPOConfig, ORPOTrainer


def _repeatable(trainer: Any, seed: int, lengths: Sequence[int] | None) -> Any:  # noqa: ANN401  # classes of TRL
    """`trainer` with rows in an order of our own, and with checkpoints from which a run goes on exactly."""
    from transformers import Trainer

    class Repeatable(trainer):  # type: ignore[misc]  # TRL has no types
        """Draws nothing from the global random state, and restores weights in the precision they were saved in."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ANN401
            return Order(len(train_dataset or self.train_dataset), _step_rows(self.args), seed, lengths)

        def _save_checkpoint(self, model: Model, trial: object) -> None:
            Trainer._save_checkpoint(self, model, trial)  # noqa: SLF001  # TRL's own writes a model card besides

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Model = None) -> None:
            model = model or self.model
            if not hasattr(model, "peft_config"):
                super()._load_from_checkpoint(resume_from_checkpoint, model)
                return
            from peft import load_peft_weights, set_peft_model_state_dict

            # transformers would load bf16 factors as fp32 ones, with which training goes on otherwise
            set_peft_model_state_dict(model, load_peft_weights(resume_from_checkpoint, device="cpu"))

    return Repeatable


def _step_rows(args: Any) -> int:  # noqa: ANN401  # TrainingArguments
    """Rows in one step, however many passes it takes, so that a smaller batch sees the rows in the same order."""
    return int(args.per_device_train_batch_size * args.gradient_accumulation_steps)


class Order:
    """A sampler of rows: shuffled by seed and epoch, and with `lengths` in groups of like length."""

    def __init__(self, count: int, step_rows: int, seed: int, lengths: Sequence[int] | None) -> None:
        self._count, self._step_rows, self._seed, self._lengths = count, step_rows, seed, lengths
        self._epoch = 0

    def __len__(self) -> int:
        """Rows in a pass."""
        return self._count

    def __iter__(self) -> Iterator[int]:
        """The rows of one pass."""
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed(self._seed * 100_003 + self._epoch)
        if self._lengths is None:
            return iter(torch.randperm(self._count, generator=generator).tolist())
        return iter(get_length_grouped_indices(list(self._lengths), self._step_rows, generator=generator))

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each pass."""
        self._epoch = epoch
