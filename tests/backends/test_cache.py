"""A cache with room holds what transformers' own does, number by number, and copies less."""

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from harness.backends._cache import ROOM, with_room


def states(rows: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random keys and values of two heads."""
    return torch.randn(rows, 2, tokens, 3), torch.randn(rows, 2, tokens, 3)


@pytest.fixture
def caches():
    """One of transformers itself, and one with room, of two layers and four rows that remember five tokens."""
    plain, roomy = DynamicCache(), DynamicCache()
    for layer in range(2):
        first = states(4, 5)
        plain.update(*first, layer)
        roomy.update(*first, layer)
    return plain, with_room(roomy)


def test_it_remembers_what_the_plain_one_does(caches):
    """Token by token, over a room's end, through rows that leave, several tokens at once, and tokens taken back."""
    plain, roomy = caches
    rows = 4
    for step in range(2 * ROOM):
        if step in (7, 8, ROOM):
            rows -= 1
            keep = torch.tensor([*range(1, rows + 1)])
            plain.reorder_cache(keep)
            roomy.reorder_cache(keep)
        if step == ROOM + 5:
            plain.crop(-3)
            roomy.crop(-3)
        for layer in range(2):
            new = states(rows, 4 if step == 9 else 1)
            for one, other in zip(plain.update(*new, layer), roomy.update(*new, layer), strict=True):
                assert torch.equal(one, other)
    assert roomy.get_seq_length() == plain.get_seq_length() == 5 + 2 * ROOM + 3 - 3


def test_what_is_there_is_not_copied(caches):
    """Until the room is full all tokens stay where they are; rows that leave take the old room with them."""
    _, roomy = caches
    layer = roomy.layers[0]
    places = []
    for _ in range(ROOM + 2):
        keys, _ = roomy.update(*states(4, 1), 0)
        places.append(keys.data_ptr())
    assert len(set(places)) == 2
    assert places.count(places[0]) == ROOM + 1  # the one that made room, and what it had room for
    roomy.reorder_cache(torch.tensor([2, 0]))
    assert not layer._room


def test_layers_of_other_kinds_and_no_cache_stay_as_they_are():
    """A window forgets, and what has not begun has nothing to make room beside; asked twice it is the same."""
    cache = DynamicCache()
    cache.layers = [DynamicSlidingWindowLayer(sliding_window=4), DynamicLayer()]
    kinds = [type(layer) for layer in with_room(cache).layers]
    assert kinds == [DynamicSlidingWindowLayer, DynamicLayer]
    assert with_room(None) is None
    cache.update(*states(1, 2), 1)
    made = with_room(cache).layers[1]
    assert type(made) is not DynamicLayer
    assert with_room(cache).layers[1] is made
