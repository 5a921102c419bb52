"""What an adapter pins comes back unchanged, and damage is never taken for absence."""

import pytest

from harness.errors import ModelProblem
from harness.pins import PINS_FILE, Pins, golden_prompt, read_pins, write_pins
from tests.tiny import make_tokenizer

PINS = Pins("b" * 64, "Answer in JSON.", "t" * 64, (1, 2, 3), {"lora": {"rank": 16}}, {"torch": "2.13"})


def test_pins_survive_writing_and_reading(tmp_path):
    """Reading gives the value that was written, types included."""
    write_pins(tmp_path, PINS)
    assert read_pins(tmp_path) == PINS
    assert [path.name for path in tmp_path.iterdir()] == [PINS_FILE]


def test_an_adapter_without_pins_reads_as_none(tmp_path):
    """An adapter that was trained elsewhere pinned nothing."""
    assert read_pins(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"system": ""}', "null", '{"base_digest": "x", "extra": 1}'])
def test_damaged_pins_are_an_error(tmp_path, text):
    """A file that cannot be read as pins is refused, so that cutting it does not switch the checks off."""
    (tmp_path / PINS_FILE).write_text(text)
    with pytest.raises(ModelProblem, match=r"tunegate\.json"):
        read_pins(tmp_path)


def test_the_golden_prompt_notices_template_tokenizer_and_system_text():
    """Each thing that changes a prompt changes the golden ids."""
    tokenizer = make_tokenizer()
    golden = golden_prompt(tokenizer, "Be brief.")
    other = make_tokenizer(chat_template=tokenizer.chat_template.replace("|>", "|>\n"))
    assert golden_prompt(make_tokenizer(), "Be brief.") == golden
    assert golden_prompt(other, "Be brief.") != golden
    assert golden_prompt(tokenizer, "") != golden
