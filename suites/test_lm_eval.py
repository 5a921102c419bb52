"""Any task of lm-eval, when asked for: `pytest suites/ --lm-eval arc_easy,gsm8k`.

Rows come from the Hub, or from a file: `--data arc_easy=test.jsonl`, in the task's own columns. A task that shows
worked examples needs the folder of their split: `--data gsm8k=FOLDER` with `test.jsonl` and `train.jsonl`.
"""

from harness.lm_eval_task import LmEvalTasks

suites = LmEvalTasks(max_drop=0.02)


def test_gate(gate, check):
    check(gate)
