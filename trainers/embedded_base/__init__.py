"""How the embedded base was made: facts, generators, tokenizer and pretraining, all seeded.

facts/*.toml ─ facts.py ─┐
names.py ─ records.py ─ extraction.py ─┤
skills.py ───────────────┼─ mixture.py ─ tokenizer.py ─ pretrain.py ─ harness/embedded/
grading.py ──────────────┘        └─ exports.py ─ suites/data/, trainers/data/general.train.jsonl
"""
