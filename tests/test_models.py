"""A model is identified by its files, and refused when they cannot be trusted to be what was asked for."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.chat import load_tokenizer, template_digest
from harness.errors import AdapterMismatch, ModelProblem
from harness.fingerprint import weights_digest
from harness.models import EMBEDDED, identify, licence, locate
from harness.pins import Pins, golden_prompt, write_pins
from harness.types import ModelRef
from tests.tiny import EOS, make_adapter, make_base, make_tokenizer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base folder and an adapter folder; copied before they are changed."""
    folder = tmp_path_factory.mktemp("made")
    base = make_base(folder / "base")
    return base, make_adapter(base, folder / "lora")


@pytest.fixture
def base(made, tmp_path):
    """A base folder that a test may spoil."""
    return shutil.copytree(made[0], tmp_path / "base")


@pytest.fixture
def adapter(made, tmp_path):
    """An adapter folder that a test may spoil."""
    return shutil.copytree(made[1], tmp_path / "lora")


def candidate(base, adapter):
    """The adapter on the base as a model to measure."""
    return ModelRef("lora", str(base), adapter=str(adapter))


def edit(file, **changes):
    """Change keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def pin(base, adapter, **changes):
    """Pin what training on `base` would have pinned, but for `changes`."""
    tokenizer = load_tokenizer(base)
    pins = Pins(
        weights_digest(base), "Be brief.", template_digest(tokenizer), golden_prompt(tokenizer, "Be brief."), {"r": 4}
    )
    write_pins(adapter, replace(pins, **changes))


def test_a_base_is_identified_from_its_files(base, tmp_path):
    """Fingerprint and digests are filled in, and do not depend on where the files lie."""
    model = identify(ModelRef("base", str(base)))
    assert set(model.digests) == {"weights", "tokenizer", "template"}
    moved = shutil.copytree(base, tmp_path / "elsewhere")
    assert identify(ModelRef("other name", str(moved))).fingerprint == model.fingerprint


@pytest.mark.parametrize("changes", [{"quantization": "nf4"}, {"dtype": "bfloat16"}])
def test_number_formats_enter_the_fingerprint(base, changes):
    """Another format gives other answers."""
    model = ModelRef("base", str(base))
    assert identify(replace(model, **changes)).fingerprint != identify(model).fingerprint


def test_an_adapter_enters_the_fingerprint(base, adapter, tmp_path):
    """Base, adapter and another adapter are three models; a copied adapter is the same one."""
    plain, adapted = identify(ModelRef("base", str(base))), identify(candidate(base, adapter))
    other = identify(candidate(base, make_adapter(base, tmp_path / "other", seed=8)))
    copied = identify(candidate(base, shutil.copytree(adapter, tmp_path / "copy")))
    assert len({plain.fingerprint, adapted.fingerprint, other.fingerprint}) == 3
    assert copied.fingerprint == adapted.fingerprint
    assert adapted.digests["pins"] == "absent"


def test_pins_that_hold_are_accepted_and_give_the_training_configuration(base, adapter):
    """Pinning changes no answer, so it leaves the fingerprint alone."""
    before = identify(candidate(base, adapter))
    pin(base, adapter)
    model = identify(candidate(base, adapter))
    assert model.train_config == {"r": 4}
    assert model.digests["pins"] != "absent"
    assert model.fingerprint == before.fingerprint


def test_an_adapter_of_another_base_of_the_same_shape_is_refused(base, adapter, tmp_path):
    """Only the pinned weights tell the two bases apart; PEFT would load it without a word."""
    pin(base, adapter)
    twin = make_base(tmp_path / "twin", seed=1)
    with pytest.raises(AdapterMismatch, match="trained on another base"):
        identify(candidate(twin, adapter))


def test_a_drifted_template_is_refused(base, adapter):
    """A prompt that differs from training by one space measures something else."""
    pin(base, adapter)
    template = base / "chat_template.jinja"
    template.write_text(template.read_text().replace("'<|assistant|>'", "'<|assistant|> '"))
    with pytest.raises(AdapterMismatch, match="another chat template"):
        identify(candidate(base, adapter))


def test_a_drifted_tokenizer_is_refused(base, adapter):
    """The golden prompt's ids notice what the template's text cannot."""
    pin(base, adapter, golden_prompt_ids=(1, 2, 3))
    with pytest.raises(AdapterMismatch, match="golden prompt"):
        identify(candidate(base, adapter))


@pytest.mark.parametrize("shape", [{"hidden_size": 128}, {"num_hidden_layers": 3}, {"num_hidden_layers": 1}])
def test_an_adapter_of_a_base_of_another_shape_is_refused(made, tmp_path, shape):
    """Missing, unexpected and misshapen tensors each are an error, not a warning."""
    adapter = make_adapter(made[0], tmp_path / "lora", target_modules=["q_proj", "v_proj"])
    other = make_base(tmp_path / "other", **shape)
    with pytest.raises(AdapterMismatch, match=r"tensors missing|has shape"):
        identify(candidate(other, adapter))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop(next(iter(tensors))), "1 tensors missing and 0 unexpected"),
        (lambda tensors: tensors.update(extra=np.zeros(2, np.float32)), "0 tensors missing and 1 unexpected"),
        (lambda tensors: tensors.update({next(iter(tensors)): np.zeros((3, 3), np.float32)}), r"has shape \(3, 3\)"),
    ],
)
def test_each_tensor_of_an_adapter_must_be_the_expected_one(base, adapter, spoil, message):
    """PEFT skips unknown tensors and leaves missing ones at their random start."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    spoil(tensors)
    save_file(tensors, adapter / "adapter_model.safetensors")
    with pytest.raises(AdapterMismatch, match=message):
        identify(candidate(base, adapter))


def test_renamed_tensors_are_refused(base, adapter):
    """A prefix that another tool added leaves no tensor where PEFT looks for it."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({f"module.{name}": value for name, value in tensors.items()}, adapter / "adapter_model.safetensors")
    with pytest.raises(AdapterMismatch, match="28 tensors missing and 28 unexpected"):
        identify(candidate(base, adapter))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, "rewrote the base"),
        ({"init_lora_weights": "olora"}, "rewrote the base"),
        ({"bias": "lora_only"}, "trains biases"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"trainable_token_indices": [1]}, "whole modules"),
        ({"peft_type": "IA3"}, "only LoRA"),
    ],
)
def test_adapters_whose_off_state_is_not_the_base_are_refused(base, adapter, changes, message):
    """The comparison needs the untouched base on the same weights."""
    edit(adapter / "adapter_config.json", **changes)
    with pytest.raises(ModelProblem, match=message):
        identify(candidate(base, adapter))


def test_pickled_weights_are_never_loaded(base, adapter):
    """A pickle runs code when it is loaded; only safetensors count, for bases and adapters."""
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelProblem, match="can run code"):
        identify(candidate(base, adapter))
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(ModelProblem, match=r"only pytorch_model\.bin, which can run code"):
        identify(ModelRef("base", str(base)))


def test_damaged_adapters_are_refused(base, adapter):
    """A file cut by a full disk is named."""
    (adapter / "adapter_model.safetensors").write_bytes(b"\0" * 7)
    with pytest.raises(ModelProblem, match="damaged"):
        identify(candidate(base, adapter))


@pytest.mark.parametrize(
    ("settings", "message"), [({"chat_template": None}, "no chat template"), ({"pad_token": EOS}, "learns to stop")]
)
def test_unfit_tokenizers_are_refused(tmp_path, settings, message):
    """See `load_tokenizer`; identifying a model includes its tokenizer."""
    folder = make_base(tmp_path / "base", tokenizer=make_tokenizer(**settings))
    with pytest.raises(ModelProblem, match=message):
        identify(ModelRef("base", str(folder)))


def test_a_quantised_checkpoint_is_not_quantised_again(base):
    """Quantising twice would measure a third model."""
    edit(base / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(ModelProblem, match="quantised already"):
        identify(ModelRef("base", str(base), quantization="nf4"))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "a/b/c", "no where"])
def test_a_path_that_does_not_exist_is_refused(name):
    """It cannot be a Hub id, so nothing is asked of the network."""
    with pytest.raises(ModelProblem, match="no such folder"):
        locate(name)


def test_a_hub_model_that_cannot_be_had_is_one_line(monkeypatch):
    """Offline, or with a wrong name, the message says what to try."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelProblem, match="nobody/nothing@main: neither a folder here nor to be had") as caught:
        locate("nobody/nothing", "main")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("---\nlicense: apache-2.0\n---\n# A model\n", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: gemma\n---\n", "gemma"),
        ("---\nlanguage: en\n---\n", ""),
        ("# No metadata\n", ""),
        ("---\nlicense: [unclosed\n---\n", ""),
        (None, ""),
    ],
)
def test_the_licence_is_that_of_the_model_card(tmp_path, card, said):
    """A card's own words, or nothing: a licence is never guessed."""
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence(tmp_path) == said
    assert licence(EMBEDDED) == "apache-2.0"


def test_the_embedded_base_is_a_folder_of_the_package():
    """The word means the same from every working directory."""
    assert locate("embedded") == EMBEDDED
    assert EMBEDDED.is_absolute()
