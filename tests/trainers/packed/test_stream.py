"""The batches of a pack: the ordinary trainer's, by number."""

import random

import torch

from trainers.encode import EncodedRow
from trainers.objectives import Order
from trainers.packed.stream import Stream


def test_steps_hold_the_rows_in_the_ordinary_trainer_s_order(config):
    """Grouped by the rows of a whole step; the last pass of an epoch is short; any step can be asked for first."""
    lengths = [random.Random(place).randint(5, 60) for place in range(95)]
    rows = [EncodedRow((1000 + place, *range(1, each)), (-100, *range(1, each))) for place, each in enumerate(lengths)]
    settings = config.model_copy(update={"batch_size": 3, "accumulation": 4, "epochs": 2.0, "seed": 7, "steps": None})
    stream = Stream(rows, settings, torch.device("cpu"))
    assert stream.steps == 16
    order = Order(95, 12, 7, lengths)
    for epoch in (1, 0):
        order.set_epoch(epoch)
        wanted = list(order)
        steps = [stream.step(epoch * 8 + place) for place in range(8)]
        seen = [
            [int(token) - 1000 for token in batch.ids[0] if token >= 1000] for step in steps for batch in step.batches
        ]
        assert [row for batch in seen for row in batch] == wanted
        assert [len(batch) for batch in seen] == [3] * 31 + [2]
        assert [len(step.batches) for step in steps] == [4] * 8
        assert all(step.learned == sum(len(batch.labels) for batch in step.batches) for step in steps)
    assert [stream.epoch_after(number) for number in (0, 7, 8)] == [4 / 32, 1.0, 1 + 4 / 32]


def test_labels_are_predicted_one_place_earlier_and_never_from_another_row(config):
    """Of rows that lie end to end, each answer's token is predicted from the token before it, in its own row."""
    rows = [EncodedRow((5, 6, 7), (-100, 6, 7)), EncodedRow((8, 9, 10, 11), (-100, -100, 10, 11))]
    stream = Stream(rows, config.model_copy(update={"batch_size": 2, "steps": 1}), torch.device("cpu"))
    (batch,) = stream.step(0).batches
    pairs = sorted(zip(batch.ids[0, batch.places].tolist(), batch.labels.tolist(), strict=True))
    assert pairs == [(5, 6), (6, 7), (9, 10), (10, 11)]
    assert sorted(batch.rows.positions[0].tolist()) == [0, 0, 1, 1, 2, 2, 3]
    assert (batch.rows.count, batch.rows.longest, len(batch.rows.unread)) == (2, 4, 1)


def test_what_rows_begin_with_alike_is_there_once(config):
    """Three rows, two with the same first two tokens; a token alike after another past is another one."""
    rows = [
        EncodedRow((5, 6, 7), (-100, -100, 7)),
        EncodedRow((5, 6, 8, 7), (-100, 6, 8, 7)),
        EncodedRow((9, 6, 7), (-100, -100, 7)),
    ]
    settings = config.model_copy(update={"batch_size": 3, "steps": 1})
    (batch,) = Stream(rows, settings, torch.device("cpu"), share=True).step(0).batches
    layout = batch.rows
    assert sorted(batch.ids[0].tolist()) == [5, 6, 6, 7, 7, 7, 8, 9]
    assert sorted(zip(batch.ids[0, batch.places].tolist(), batch.labels.tolist(), strict=True)) == [
        (5, 6),
        (6, 7),
        (6, 7),
        (6, 8),
        (8, 7),
    ]
    padded = batch.ids[0, layout.spread].view(layout.count, layout.longest).tolist()
    order = sorted(range(3), key=lambda at: tuple(padded[at]))
    assert [padded[at][: len(row)] for at, row in zip(order, [(5, 6, 7), (5, 6, 8, 7), (9, 6, 7)], strict=True)] == [
        [5, 6, 7],
        [5, 6, 8, 7],
        [9, 6, 7],
    ]
    assert batch.ids[0, layout.copied].tolist() == [5, 6]
    assert len(layout.real) == 8
    assert sorted([*layout.real.tolist(), *layout.unread.tolist()]) == list(range(12))
