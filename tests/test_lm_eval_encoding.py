"""Encodings are kept from model to model, and are always those of the tokenizer that is asked."""

from harness import _lm_eval_encoding
from harness._lm_eval_encoding import remembered


class Tokenizer:
    """Whose ids are characters, shifted; counts how often it is asked."""

    def __init__(self, shift):
        self.shift, self.asked = shift, []

    def encode(self, text, special=None):
        """Ids of a text."""
        self.asked.append(text)
        return [ord(letter) + self.shift for letter in text] + ([0] if special else [])


def test_the_next_model_encodes_nothing_again_and_another_tokenizer_does():
    """Each call stands for the measuring of one model."""
    one, other = Tokenizer(0), Tokenizer(1)
    for _ in range(2):
        encode = remembered(one, one.encode)
        assert [encode("ab"), encode("c"), encode("ab")] == [[97, 98], [99], [97, 98]]
        encode("ab").append(5)  # a caller that changes its list changes nobody else's
    assert one.asked == ["ab", "c"]
    assert remembered(other, other.encode)("ab") == [98, 99]


def test_other_ways_of_encoding_are_not_mixed_up():
    """lm-eval encodes an option without special tokens when it has no question before it."""
    tokenizer = Tokenizer(0)
    encode = remembered(tokenizer, tokenizer.encode)
    assert [encode("a"), encode("a", special=True), encode("a", special=None)] == [[97], [97, 0], [97]]


def test_memory_is_bounded_by_characters(monkeypatch):
    """What does not fit is encoded again for the next model, and only once for this one."""
    monkeypatch.setattr(_lm_eval_encoding, "MOST_CHARACTERS", 3)
    tokenizer = Tokenizer(0)
    for _ in range(2):
        encode = remembered(tokenizer, tokenizer.encode)
        assert [encode(text) for text in ("ab", "cd", "e", "cd")] == [[97, 98], [99, 100], [101], [99, 100]]
    assert tokenizer.asked == ["ab", "cd", "e", "cd"]
