"""The engine: the same answers however they are batched, and one base that adapters leave unhurt."""

from dataclasses import replace

import pytest
import torch

from harness.backends._residency import Residency
from harness.backends.hf import HfBackend
from harness.errors import AdapterWithoutEffect, ModelProblem, UsageProblem
from harness.options import QUANTIZATIONS
from harness.types import FinishReason, ModelRef, Sampling
from tests.tiny import make_adapter, make_base, make_tokenizer

SHORT = Sampling(12)


@pytest.fixture(scope="module")
def reference(backend, ask, base, candidate):
    """Greedy answers of base and candidate in batches of 16."""
    return {model.name: ask(backend, model, SHORT) for model in (base, candidate)}


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_greedy_answers_do_not_depend_on_the_batch_size(ask, base, candidate, reference, batch_size):
    """In float32 on a CPU, padding and neighbours change no token, with and without adapter."""
    backend = HfBackend("cpu", batch_size)
    for model in (base, candidate):
        assert ask(backend, model, SHORT) == reference[model.name]


def test_answers_equal_those_of_transformers_one_by_one(backend, base, texts, reference):
    """The reference is `model.generate`, greedy, without any batch or padding."""
    loaded = backend.loaded(base)
    for text, ours in list(zip(texts, reference["base"], strict=True))[:10]:
        inputs = loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt"
        )
        output = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=SHORT.max_new_tokens)
        assert tuple(output[0, inputs["input_ids"].shape[1] :].tolist()) == ours.token_ids


def test_switching_back_restores_the_base(backend, ask, base, candidate, reference):
    """The adapter leaves no trace in the base, however often they take turns; weights are loaded once."""
    assert reference["base"] != reference["lora"]
    for model in (candidate, base, candidate, base):
        assert ask(backend, model, SHORT) == reference[model.name]
    assert backend._residency.loads == 1


def test_a_second_adapter_replaces_the_first(ask, base, base_folder, candidate, reference, tmp_path):
    """Two adapters answer as each would alone, dots in their paths or not."""
    other = replace(candidate, name="other", adapter=str(make_adapter(base_folder, tmp_path / "lo.ra", seed=2)))
    backend = HfBackend("cpu", 16)
    first, second = ask(backend, candidate, SHORT), ask(backend, other, SHORT)
    assert first == reference["lora"]
    assert second == ask(HfBackend("cpu", 16), other, SHORT)
    assert second != first
    assert ask(backend, base, SHORT) == reference["base"]
    assert ask(backend, candidate, SHORT) == first


def test_another_base_is_loaded_in_place_of_the_first(backend, ask, base, reference, tmp_path):
    """A full checkpoint as candidate is a model of its own."""
    merged = ModelRef("merged", str(make_base(tmp_path / "merged", seed=9)))
    assert ask(backend, merged, SHORT) != reference["base"]
    assert ask(backend, base, SHORT) == reference["base"]


def test_every_switch_ends_in_evaluation_mode(base, candidate):
    """Dropout in one measurement would make it unrepeatable."""
    residency = Residency("cpu")
    for model in (base, candidate, base, candidate):
        residency.switch(model).train()
        assert not any(module.training for module in residency.switch(model).modules())


def test_answers_end_at_the_stop_token_or_are_called_truncated(backend, base, reference, stops):
    """`stop` means that the model ended by itself, by any of its stop tokens; the text holds none of them."""
    endings = {generation.finish_reason for generation in reference["base"]}
    assert endings == {FinishReason.STOP, FinishReason.LENGTH}
    tokenizer = backend.loaded(base).tokenizer
    for generation in reference["base"]:
        stopped = generation.token_ids[-1] in stops
        assert (generation.finish_reason is FinishReason.STOP) == stopped
        assert generation.new_tokens == len(generation.token_ids) <= SHORT.max_new_tokens
        assert stopped or generation.new_tokens == SHORT.max_new_tokens
        assert not stops & set(generation.token_ids[:-1])
        said = generation.token_ids[:-1] if stopped else generation.token_ids
        assert generation.text == tokenizer.decode(said, skip_special_tokens=True)


def test_sampled_answers_depend_on_the_seed_and_not_on_the_batch(ask, base, reference):
    """Each prompt draws from its own generator, so neighbours cannot change a draw."""
    hot = Sampling(12, temperature=1.0, top_p=0.9, seed=3)
    sampled = ask(HfBackend("cpu", 64), base, hot)
    assert sampled == ask(HfBackend("cpu", 3), base, hot)
    assert sampled != ask(HfBackend("cpu", 64), base, replace(hot, seed=4))
    assert sampled != reference["base"]


def test_different_prompts_draw_different_numbers(backend, base, ask, texts):
    """At a temperature that levels all chances, answers differ only by their draws."""
    level = ask(backend, base, Sampling(6, temperature=1e6))
    assert len({generation.token_ids for generation in level}) == len(set(texts))


def test_a_nucleus_of_one_token_is_greedy(backend, ask, base, reference):
    """With top_p near 0 only the likeliest token remains, whatever the seed."""
    assert ask(backend, base, Sampling(12, temperature=1.0, top_p=1e-6, seed=5)) == reference["base"]


def test_each_batch_is_handed_over_as_it_ends(base, texts):
    """What was computed before a kill is already with the caller, and every prompt comes exactly once."""
    backend, batches = HfBackend("cpu", 16), []
    prompts = [backend.render(base, [{"role": "user", "content": text}]) for text in texts]
    backend.generate(base, prompts, SHORT, lambda pairs: batches.append([index for index, _ in pairs]))
    assert [len(batch) for batch in batches] == [16, 16, 8]
    assert sorted(index for batch in batches for index in batch) == list(range(len(texts)))
    lengths = [len(prompts[index].token_ids) for batch in batches for index in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_a_batch_that_does_not_fit_is_halved(ask, base, reference, monkeypatch):
    """Running out of memory costs time, not answers, and is counted."""
    from harness.backends import _decode

    decode = _decode.decode

    def small_memory(model, prompts, sampling, **options):
        if len(prompts) > 5:
            raise torch.OutOfMemoryError("no room")
        return decode(model, prompts, sampling, **options)

    monkeypatch.setattr(_decode, "decode", small_memory)
    backend = HfBackend("cpu", 16)
    assert ask(backend, base, SHORT) == reference["base"]
    assert backend.usage().halvings == 3 + 3 + 1  # 16 -> 8+8 -> 4+4+4+4 twice, 8 -> 4+4


def test_a_prompt_that_fits_nowhere_is_a_model_problem(ask, base, monkeypatch):
    """Halving ends at one prompt, with advice."""
    from harness.backends import _decode

    def no_memory(*_args, **_options):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(_decode, "decode", no_memory)
    with pytest.raises(ModelProblem, match="does not fit into memory"):
        ask(HfBackend("cpu", 16), base, SHORT)


def test_an_adapter_without_effect_is_refused(base_folder, base, ask, reference, tmp_path):
    """Factors of zero change no logit, so a comparison would be of the base with itself; the base stays usable."""
    idle = ModelRef("idle", str(base_folder), adapter=str(make_adapter(base_folder, tmp_path / "idle", scale=0)))
    backend = HfBackend("cpu", 16)
    with pytest.raises(AdapterWithoutEffect, match="logits equal the base's"):
        ask(backend, idle, SHORT)
    with pytest.raises(AdapterWithoutEffect):
        ask(backend, idle, SHORT)
    assert ask(backend, base, SHORT) == reference["base"]


def test_an_adapter_that_rewrites_the_base_is_refused(base, base_folder, tmp_path):
    """PiSSA moves part of the base into the adapter, so adapter-off is not the base; logits show it."""
    folder = make_adapter(base_folder, tmp_path / "pissa", init_lora_weights="pissa")
    with pytest.raises(ModelProblem, match="attaching it changes the base"):
        Residency("cpu").switch(replace(base, name="pissa", adapter=str(folder)))


@pytest.mark.parametrize("quantization", QUANTIZATIONS[1:])
def test_quantised_bases_take_adapters_on_and_off(ask, base, candidate, reference, quantization):
    """Quantised weights answer otherwise than float32, take less memory, and survive an adapter unhurt."""
    backend = HfBackend("cpu", 64)
    small = [replace(model, quantization=quantization) for model in (base, candidate)]
    plain, adapted = (ask(backend, model, SHORT) for model in small)
    assert plain != adapted
    assert plain != reference["base"]
    assert ask(backend, small[0], SHORT) == plain
    bits = {parameter.dtype for parameter in backend.loaded(small[0]).model.parameters()}
    assert bits & {torch.int8, torch.uint8}


def test_dtype_is_that_of_the_model_ref(base):
    """Weights are computed in the format that was asked for, whatever the file holds."""
    loaded = HfBackend("cpu").loaded(replace(base, dtype="bfloat16"))
    assert next(loaded.model.parameters()).dtype is torch.bfloat16


def test_a_prompt_beyond_the_context_is_refused_before_any_answer(backend, base, ask):
    """A cut prompt would be another question."""
    with pytest.raises(ModelProblem, match="exceeds its context of 1024"):
        ask(backend, base, Sampling(1020))


def test_usage_counts_tokens_and_memory(ask, base, reference):
    """Counts are of this backend since it was made."""
    backend = HfBackend("cpu", 64)
    assert backend.usage().new_tokens == 0
    ask(backend, base, SHORT)
    usage = backend.usage()
    assert usage.new_tokens == sum(generation.new_tokens for generation in reference["base"])
    assert usage.prompt_tokens == sum(generation.prompt_tokens for generation in reference["base"])
    assert usage.seconds > 0
    assert usage.peak_memory_bytes > 50_000_000  # torch alone takes more


def test_the_policy_names_what_can_change_an_answer():
    """Batch size, device and library versions enter the store's keys; loading a model changes none of them."""
    policy = HfBackend("cpu", 8).policy()
    assert policy["batch_size"] == "8"
    assert policy["device"] == "cpu"
    assert policy["torch"] == torch.__version__.partition("+")[0] or policy["torch"] == torch.__version__
    assert {"engine", "transformers", "peft", "bitsandbytes", "attention"} <= policy.keys()


@pytest.mark.parametrize(("device", "batch_size"), [("cpu", 0), ("cuda:99", 1), ("abacus", 1)])
def test_impossible_devices_and_batch_sizes_are_usage_problems(device, batch_size):
    """They are told before any model is touched."""
    with pytest.raises(UsageProblem, match=r"--(device|batch-size)"):
        HfBackend(device, batch_size).policy()


def test_one_token_more_than_embedding_rows_is_refused(tmp_path):
    """A token without a row would crash, or worse, read another row."""
    from harness.models import identify
    from tests.tiny import make_tokenizer

    tokenizer = make_tokenizer()
    folder = make_base(tmp_path / "small", vocab_size=len(tokenizer) - 1, pad_token_id=0)
    with pytest.raises(ModelProblem, match="embedding rows"):
        identify(ModelRef("base", str(folder)))
    with pytest.raises(ModelProblem, match="embedding rows"):
        Residency("cpu").switch(ModelRef("base", str(folder)))


def test_plain_text_is_begun_once_and_by_the_tokenizer(tmp_path):
    """No template; the token of beginnings where the tokenizer puts one, and no second one where the text has it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", begin)]
    )
    backend = HfBackend("cpu")
    model = backend.identify(ModelRef("base", str(make_base(tmp_path / "base", tokenizer=tokenizer))))
    bare, begun = backend.plain(model, "One"), backend.plain(model, "<|begin|>One")
    assert bare.token_ids == begun.token_ids
    assert (bare.token_ids[0], bare.token_ids.count(begin), len(bare.token_ids)) == (begin, 1, 4)
    assert backend.context(model) == 1024


def test_every_answer_tells_how_long_its_batch_took(base, texts):
    """The same for all answers of a batch, and all batches together are what the engine says it computed for."""
    backend, batches = HfBackend("cpu", 16), []
    prompts = [backend.render(base, [{"role": "user", "content": text}]) for text in texts]
    backend.generate(base, prompts, SHORT, lambda pairs: batches.append({answer.seconds for _, answer in pairs}))
    assert [len(batch) for batch in batches] == [1, 1, 1]
    assert sum(min(batch) for batch in batches) == pytest.approx(backend.usage().seconds, abs=0.001)
