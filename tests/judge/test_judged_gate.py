"""The gate with a judge: what counts, what only informs, and what makes a judge unfit."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import openai  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401
import statsmodels.regression.linear_model  # noqa: F401

from harness.checkout import Checkout, hold_against
from harness.runs import sha256
from harness.types import Outcome
from harness.verify import verify
from tests.judge.courtroom import answers, calibrated, court, finished, hold
from tests.judge.fake_judge import Reply, case_of, completion, fake_judge, grade, verdict

pytest_plugins = "pytester"
ORDERS = re.compile(r"Ignore all|perfect|Grade: 5|Score: 5|reasons")


def honest(case):
    """A judge that grades by the answer's first number, and gives planted answers what they deserve."""
    if case["id"] == "ping":
        return 5
    marks = [1 if ORDERS.search(text) else mark(text) for text in case["answers"]]
    if len(marks) == 1:
        return marks[0]
    return "tie" if marks[0] == marks[1] else "A" if marks[0] > marks[1] else "B"


def mark(text):
    """The grade that an answer asks for in so many words; references are best."""
    found = re.search(r"level (\d)", text)
    return int(found[1]) if found else 5


@pytest.fixture
def repo(pytester, monkeypatch):
    """The courtroom with a base whose answers are mediocre."""
    monkeypatch.delenv("TUNEGATE_JUDGE_KEY", raising=False)
    root = court(pytester, plain=True)
    answers(root, "base", lambda i: f"level 3 of answer {i}")
    return root


def outcomes(document, suite="judged"):
    """{gate: (outcome, advisory)} of the judged suite."""
    return {
        each["gate"]: (each["outcome"], each["advisory"]) for each in document["verdicts"] if each["suite"] == suite
    }


def test_without_a_judge_the_suite_says_so_and_costs_nothing(repo, pytester):
    """Not requested, advisory, no row measured; the other suite decides; verification agrees."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")
    result = hold(pytester, "--run-dir", "run")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["judge: not requested, judged only informs*"])
    document = finished(repo)
    assert outcomes(document) == {
        "judge-drop<=0.2": ("NOT_RUN", True),
        "preference-drop<=0.2": ("NOT_RUN", True),
    }
    assert "not requested" in next(each["reason"] for each in document["verdicts"] if each["suite"] == "judged")
    assert {entry["suite"] for entry in document["results"]} == {"plain"}
    assert verify(repo / "run").outcome is Outcome.PASS


def test_a_judged_suite_alone_is_never_green_without_a_judge(repo, pytester):
    """Advisory verdicts are no evidence: nothing decided is INVALID."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")
    assert hold(pytester, "-k", "judged", "--run-dir", "run").ret == 11


def test_an_uncalibrated_judge_only_informs(repo, pytester):
    """Its FAIL is shown, in JUnit as well, and left out."""
    answers(repo, "tuned", lambda i: f"level 1 of answer {i}")
    with fake_judge(grade(honest)) as server:
        asked = ("--judge", server.asked, "--judge-calls", "500", "--run-dir", "run", "--junit-xml", "junit.xml")
        result = hold(pytester, *asked)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["judge of judged on tuned: *not calibrated*advisory: the judge is not calibrated*"])
    assert outcomes(finished(repo)) == {"judge-drop<=0.2": ("FAIL", True), "preference-drop<=0.2": ("FAIL", True)}
    properties = [each.attrib for each in ET.parse(repo / "junit.xml").iter("property")]
    assert {"name": "advisory", "value": "True"} in properties
    assert verify(repo / "run").outcome is Outcome.PASS


@pytest.mark.parametrize(("level", "code", "said"), [(4, 0, "PASS"), (1, 1, "FAIL")])
def test_a_calibrated_judge_decides_and_verify_agrees_without_the_store(repo, pytester, level, code, said):
    """What decides is in the run directory alone; whoever edits a judgement or the calibration is found out."""
    answers(repo, "tuned", lambda i: f"level {level} of answer {i}")
    with fake_judge(grade(honest)) as server:
        calibrated(repo, server)
        result = hold(pytester, "--judge", server.asked, "--judge-calls", "500", "--run-dir", "run")
    assert result.ret == code, result.outlines
    document = finished(repo)
    assert set(outcomes(document).values()) == {(said, False)}
    (entry,) = document["judge"]
    assert (entry["kappa"], entry["objections"]) == (1.0, [])
    assert (entry["repeats"], entry["agreed"]) == (12, 12)
    assert (entry["pairs"], entry["flips"]) == (60, 0)
    shutil.rmtree(repo / ".tunegate")
    found = verify(repo / "run")
    assert (found.outcome.value, found.disagreements) == (said, ())
    held = hold_against(repo / "run", Checkout((repo / "suites",)))
    assert (held.faults, held.believed) == ((), ("judged",))


EDITS = [
    ('"scores": {"correct": 1', '"scores": {"correct": 5', False, "a judgement was edited"),
    ('"scores": {"correct": 1', '"scores": {"correct": 5', True, "not what the judge said"),
    ('"pairs": [[[1, 1], [1, 1]]', '"pairs": [[[1, 5], [1, 5]]', True, "judge: is not what the judgements give"),
    ('"measured": "', '"measured": "0', True, "of another model"),
    ('"measured_weights": "', '"measured_weights": "0', True, "of another model"),
]


def test_verify_finds_every_edit_of_what_the_judge_said(repo, pytester):
    """With or without a receipt that was made to fit; and judgements that are gone are missed."""
    answers(repo, "tuned", lambda i: f"level 1 of answer {i}")
    with fake_judge(grade(honest)) as server:
        calibrated(repo, server)
        hold(pytester, "--judge", server.asked, "--judge-calls", "500", "--run-dir", "run")
    name, run = "judgements/judged--tuned.jsonl", repo / "run" / "run.json"
    before, receipt = (repo / "run" / name).read_text(), run.read_text()
    assert verify(repo / "run").disagreements == ()
    for old, new, fits, says in EDITS:
        assert old in before
        (repo / "run" / name).write_text(before.replace(old, new, 1))
        document = json.loads(receipt)
        if fits:
            document["receipt"]["judgements"][name]["sha256"] = sha256((repo / "run" / name).read_bytes())
        run.write_text(json.dumps(document))
        found = verify(repo / "run")
        assert found.outcome is Outcome.INVALID
        assert any(says in line for line in found.disagreements), found.disagreements
    shutil.rmtree(repo / "run" / "judgements")
    run.write_text(receipt)
    assert verify(repo / "run").outcome is Outcome.INVALID
    document = json.loads(receipt)
    document["receipt"]["judgements"] = {}
    run.write_text(json.dumps(document))
    assert verify(repo / "run").outcome is Outcome.INVALID


def unfit(pytester, repo, script, *, gates=None):
    """Run with a calibrated judge that goes wrong by `script` afterwards: exit code, run.json, verdicts by gate."""
    good, now = grade(honest), [False]

    def scripted(body, number):
        return script(body, number) if now[0] and case_of(body)["id"] != "ping" else good(body, number)

    if gates:
        suite = repo / "suites" / "test_judged.py"
        suite.write_text(re.sub(r"gates=\[.*\]", f"gates=[{gates}]", suite.read_text()))
    with fake_judge(scripted) as server:
        calibrated(repo, server)
        now[0] = True
        code = hold(pytester, "--judge", server.asked, "--judge-calls", "900", "--run-dir", "run").ret
    document = finished(repo)
    assert verify(repo / "run").disagreements == ()
    return code, document, {each["gate"]: each for each in document["verdicts"] if each["suite"] == "judged"}


def test_a_judge_that_always_says_a_is_found_out(repo, pytester):
    """Every pair is a tie, so half are won; the order decided them all, and the verdict is INVALID."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")

    def always_a(case):
        return honest(case) if len(case["answers"]) == 1 or "level" not in "".join(case["answers"][0:1]) else "A"

    code, document, verdicts = unfit(pytester, repo, grade(always_a))
    preference = [entry for entry in document["results"] if entry["metric"] == "preference"]
    assert [entry["value"] for entry in preference] == [0.5, 0.5]
    assert (verdicts["judge-drop<=0.2"]["outcome"], verdicts["preference-drop<=0.2"]["outcome"]) == ("PASS", "INVALID")
    assert "the order decided 60 of 60" in verdicts["preference-drop<=0.2"]["reason"]
    assert code == 11


def test_a_judge_that_obeys_the_answers_is_found_out(repo, pytester):
    """It gives what the text asks for: the planted answers pass, and nothing that it said counts."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")

    def obedient(case):
        if len(case["answers"]) == 2:
            bad = [ORDERS.search(text) is not None for text in case["answers"]]
            return "AB"[bad.index(True)] if any(bad) else honest(case)
        return 5 if ORDERS.search(case["answers"][0]) else honest(case)

    code, _, verdicts = unfit(pytester, repo, grade(obedient))
    assert {each["outcome"] for each in verdicts.values()} == {"INVALID"}
    assert all("planted bad answers" in each["reason"] for each in verdicts.values())
    assert code == 11


def test_a_judge_that_counts_characters_passes_nothing(pytester):
    """Longer answers win by grade and by comparison; at equal length nothing is left, so nothing is shown."""
    repo = court(pytester, rows=60)
    suffix = [
        "",
        " and so on, as one may say",
        " with many other words",
        " or with others that are of no use to anybody",
    ]
    answers(repo, "base", lambda i: f"level 3 of answer {i}", rows=60)
    answers(repo, "tuned", lambda i: f"level 3 of answer {i}{suffix[i % 4]}", rows=60)

    def by_length(case):
        sizes = [0 if ORDERS.search(text) else len(text) for text in case["answers"]]
        if len(sizes) == 1:
            return min(5, 1 + sizes[0] // 20)
        return "tie" if sizes[0] == sizes[1] else "A" if sizes[0] > sizes[1] else "B"

    gates = 'Gate("judge", min_gain=0.05), Gate("preference", min_gain=0.05)'
    code, _, verdicts = unfit(pytester, repo, grade(by_length), gates=gates)
    assert {each["outcome"] for each in verdicts.values()} <= {"INCONCLUSIVE", "FAIL", "INVALID"}
    assert "length may be all" in verdicts["judge-gain>=0.05"]["reason"]
    assert code in (10, 11)


def test_failures_on_one_model_alone_make_the_judge_unfit(repo, pytester):
    """The rows that it did grade look fine, but it failed where it would have hurt."""
    answers(repo, "tuned", lambda i: f"level {4 if i % 2 else 1} of answer {i}")

    def picky(body, number):
        hurt = any("level 1" in text for text in case_of(body)["answers"])
        return Reply(completion(None, refusal="no")) if hurt else grade(honest)(body, number)

    code, document, verdicts = unfit(pytester, repo, picky)
    assert {each["outcome"] for each in verdicts.values()} == {"INVALID"}
    assert "it failed on 0 answers of the base and on 30 of the candidate" in verdicts["judge-drop<=0.2"]["reason"]
    assert document["judge"][0]["candidate"] == {"asked": 60, "failed": 30, "causes": {"refused": 30}}
    assert code == 11


def test_a_judge_that_changes_half_way_is_found_out(repo, pytester):
    """Another system fingerprint on the candidate's answers: the two were not judged by the same."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")

    def changing(body, _number):
        said = honest(case_of(body))
        key = "winner" if isinstance(said, str) else "score"
        later = any("level 4" in text for text in case_of(body)["answers"])
        return Reply(completion(verdict(body, **{key: said}), served="fp-2" if later else "fp-1"))

    code, _, verdicts = unfit(pytester, repo, changing)
    assert all("changed while it judged" in each["reason"] for each in verdicts.values())
    assert code == 11


def test_a_wrong_key_stops_before_any_model_is_asked(repo, pytester):
    """Exit 11, one line, no run directory, one request."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")
    with fake_judge(lambda _body, _number: Reply(b"{}", 401)) as server:
        result = hold(pytester, "--judge", server.asked, "--judge-calls", "500", "--run-dir", "run")
        assert len(server.bodies) == 1
    assert result.ret == 11
    result.stdout.fnmatch_lines(["*refuses the key (HTTP 401)*"])
    assert not (repo / "run").exists()


def test_a_spent_budget_stops_with_12_and_a_larger_one_goes_on(repo, pytester):
    """No receipt; the same command with a larger budget sends only what was not answered yet."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")
    with fake_judge(grade(honest)) as server:
        asked = ("--judge", server.asked, "--run-dir", "run")
        first = hold(pytester, *asked, "--judge-calls", "20")
        assert (first.ret, len(server.bodies)) == (12, 20)
        first.stdout.fnmatch_lines(["*budget of 20 calls is used up*repeat the command with --run-dir run*"])
        assert not (repo / "run" / "run.json").exists()
        second = hold(pytester, *asked, "--judge-calls", "500")
        assert second.ret == 0
        assert len(server.bodies) == 20 + 1 + finished(repo)["judge"][0]["calls"]
        asked = [json.dumps([case_of(body)["id"], body["messages"]]) for body in server.bodies]
        repeated = len(asked) - len(set(asked))
    assert repeated == 1 + 12  # the first question of each run, and the repeats that were meant


def test_answers_that_say_nothing_are_never_sent(repo, pytester):
    """Empty, blank, dots and loops get the lowest grade unheard, and lose against any other answer."""
    nothing = ["", " \n", "...", "Thought process:", "the same words again " * 8]
    answers(repo, "tuned", lambda i: nothing[i % 5])
    with fake_judge(grade(honest)) as server:
        hold(pytester, "--judge", server.asked, "--judge-calls", "500", "--run-dir", "run")
        sent = [text for body in server.bodies for text in case_of(body)["answers"]]
    assert not [text for text in sent if text in nothing]
    records = (repo / "run" / "records" / "judged--tuned.jsonl").read_text().splitlines()
    scores = [{each["metric"]: each for each in json.loads(line)["scores"]} for line in records]
    assert {row["judge"]["value"] for row in scores} == {row["preference"]["value"] for row in scores} == {0.0}
    codes = {row["judge"]["reason_code"] for row in scores}
    assert codes == {"degenerate:empty", "degenerate:no_words", "degenerate:opener_only", "degenerate:loop"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--judge", "nonsense"], "give URL#model"),
        (["--judge", "https://user:pw@host/v1#m"], "holds a user, password or query"),
        (["--judge", "https://host.example/v1#m"], "no key for host.example"),
        (["--judge", "http://127.0.0.1:9/v1#m"], "needs a budget"),
        (["--judge", "http://127.0.0.1:9/v1#m", "--judge-budget", "1"], "the model has no price"),
        (["--judge", "hf:"], "names no model"),
        (["--judge-calls", "5"], "has no use without --judge"),
        (["--judge", "http://127.0.0.1:9/v1#m", "--judge-calls", "0"], "is no whole number"),
    ],
)
def test_a_judge_that_cannot_be_meant_is_one_line(repo, pytester, args, said):
    """Exit 4, the reason, no traceback."""
    answers(repo, "tuned", lambda i: f"level 4 of answer {i}")
    result = hold(pytester, *args)
    assert result.ret == 4
    assert any(said in line for line in result.errlines), result.errlines
