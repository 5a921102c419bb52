"""When a batch is run, recorded and replayed; the graph itself is `test_cuda.py`'s."""

import gc
from contextlib import contextmanager

import pytest
import torch

from trainers.packed.attention import Rows, numbered
from trainers.packed.replay import Replays
from trainers.packed.stream import Batch


@pytest.fixture
def recordings(monkeypatch):
    """Stands in for CUDA's graphs: whether Python could collect while each was recorded."""
    seen = []

    class Graph:
        """Replays nothing."""

        def replay(self) -> None:
            """Would start the kernels."""

        def pool(self) -> tuple[int, int]:
            """Would name its memory."""
            return 0, 0

    @contextmanager
    def recording(_graph, pool):  # noqa: ARG001  # torch's signature
        seen.append(gc.isenabled())
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    return seen


def batch(*lengths: int) -> Batch:
    """Rows of so many tokens, one of them learned."""
    tokens = numbered([[1] * length for length in lengths], share=False)
    one = torch.zeros(1, dtype=torch.long)
    return Batch(torch.ones(1, sum(lengths), dtype=torch.long), Rows.of(tokens, torch.device("cpu")), one, one)


def test_the_second_batch_of_a_shape_is_recorded_and_later_ones_replayed(recordings):
    """The run is asked for no more than twice for each shape, and its answer is given each time."""
    asked = []

    def run(given: Batch, learned: torch.Tensor) -> torch.Tensor:
        asked.append(given.ids.shape[1])
        return learned.expand(2)

    replays = Replays(run)
    for lengths in ((3, 2), (3, 2), (4, 1), (3, 2), (4, 1), (3, 2)):
        assert replays(batch(*lengths), torch.tensor(7.0)).tolist() == [7, 7]
    assert asked == [5, 5, 5, 5]  # two of each shape
    assert len(recordings) == 2
    assert replays.replayed == 4


def test_nothing_is_collected_while_a_graph_is_recorded(recordings):
    """An earlier pack's graph that is freed meanwhile would spoil it; afterwards all is as it was, on failure too."""
    replays = Replays(lambda _batch, learned: learned.expand(1))
    for _ in range(2):
        replays(batch(3), torch.tensor(1.0))
    assert recordings == [False]
    assert gc.isenabled()

    def fails(_batch: Batch, learned: torch.Tensor) -> torch.Tensor:
        if len(recordings) > 1:
            raise MemoryError
        return learned.expand(1)

    replays = Replays(fails)
    replays(batch(3), torch.tensor(1.0))
    with pytest.raises(MemoryError):
        replays(batch(3), torch.tensor(1.0))
    assert gc.isenabled()
