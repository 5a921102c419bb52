"""How the embedded base was made: facts, generators, tokenizer and pretraining, all seeded.

facts/*.toml ── facts.py ────────────────────────────┐
lexicon.py ── names.py ─┬─ domains.py ── extraction.py ─┤
├─ kinds.py, manner.py ── reading.py ─┼─ mixture.py ── tokenizer.py ── pretrain.py ── harness/embedded/
└─ skills.py, grading.py ─────────┘         └─ exports.py ── suites/data/, trainers/data/
"""
