"""Any task of lm-eval that is scored by likelihood, when asked for: `pytest suites/ --lm-eval arc_easy,hellaswag`.

Rows come from the Hub, or from a file: `--data arc_easy=test.jsonl`, in the task's own columns.
"""

from harness.lm_eval_task import LmEvalTasks

suites = LmEvalTasks(max_drop=0.02)


def test_gate(gate, check):
    check(gate)
